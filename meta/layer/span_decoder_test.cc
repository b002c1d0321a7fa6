// SPDX-License-Identifier: Apache-2.0
// Spans that a foreign table of contents lists, made here one by one; those of
// our own tables are tested by first_pass_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "meta/base/digest.h"
#include "meta/layer/span_table.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::HasSubstr;

Sha256Digest DigestOfText(std::string_view text) {
  return Sha256(std::as_bytes(std::span(text)));
}

class StringBlob : public BlobSource {
 public:
  explicit StringBlob(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) override {
    if (offset >= bytes_.size()) return 0;
    const size_t n = std::min(out.size(), bytes_.size() - offset);
    std::memcpy(out.data(), bytes_.data() + offset, n);
    return n;
  }
  void WillNeed(uint64_t, uint64_t) override {}

 private:
  const std::string bytes_;
};

class OneSpan : public SpanTable {
 public:
  explicit OneSpan(const Span& span, Sha256Digest digest = {})
      : span_(span), digest_(digest) {}
  uint64_t size() const override { return span_.length; }
  size_t span_count() const override { return 1; }
  Span span(size_t) const override { return span_; }
  size_t Find(uint64_t) const override { return 0; }
  bool needs_frames() const override { return false; }
  uint64_t block_checksum(size_t, size_t) const override { return 0; }
  Sha256Digest digest(size_t) const override { return digest_; }
  Result<std::string_view> PackedState(size_t) const override {
    return std::string_view();
  }
  void WillNeed(size_t) const override {}

 private:
  const Span span_;
  const Sha256Digest digest_;
};

// A file's bytes in the middle of a member or frame, in the middle of a blob.
struct Chunk {
  explicit Chunk(SpanKind kind) {
    const std::string before = "something else";
    const std::string member =
        testing::TextLikeBytes(100'000, 1) + content + "the next tar header";
    const std::string encoded = kind == SpanKind::kStored ? content
                                : kind == SpanKind::kGzipStart
                                    ? testing::Gzip(member)
                                    : testing::Zstd(member);
    blob = std::make_unique<StringBlob>(before + encoded + before);
    span.length = content.size();
    span.in_offset = before.size();
    span.in_length = encoded.size();
    span.kind = kind;
    span.skip = kind == SpanKind::kStored ? 0 : 100'000;
    input = encoded;
  }
  Chunk& CheckedBy(SpanCheck check) {
    span.check = check;
    digest = DigestOfText(check == SpanCheck::kContent ? content : input);
    return *this;
  }
  Result<std::string> Decode(uint64_t end = kMaxSpanBytes) const {
    const OneSpan table(span, digest);
    std::string out(span.length, '\0');
    IMGMOUNT_TRY(const auto decoder,
                 SpanDecoder::Start(table, 0, *blob, nullptr,
                                    std::as_writable_bytes(std::span(out))));
    IMGMOUNT_CHECK(decoder->DecodeTo(end));
    out.resize(decoder->ready());
    return out;
  }

  const std::string content = testing::TextLikeBytes(200'000, 2);
  std::string input;
  std::unique_ptr<StringBlob> blob;
  Span span;
  Sha256Digest digest = {};
};

class ChunkTest : public ::testing::TestWithParam<SpanKind> {};

TEST_P(ChunkTest, GivesTheBytesInTheMidstOfAFrame) {
  for (const auto check : {SpanCheck::kContent, SpanCheck::kCompressed}) {
    const Chunk chunk = std::move(Chunk(GetParam()).CheckedBy(check));
    const auto bytes = chunk.Decode();
    ASSERT_TRUE(bytes) << bytes.error().message();
    EXPECT_TRUE(*bytes == chunk.content);
  }
}

TEST_P(ChunkTest, IsReadyAsAWholeWhereItIsCheckedAsAWhole) {
  EXPECT_EQ(Chunk(GetParam()).CheckedBy(SpanCheck::kContent).Decode(1)->size(),
            200'000u);
  EXPECT_LE(
      Chunk(GetParam()).CheckedBy(SpanCheck::kCompressed).Decode(1)->size(),
      kBlockBytes);
}

TEST_P(ChunkTest, IsRefusedIfItsDigestIsAnother) {
  for (const auto check : {SpanCheck::kContent, SpanCheck::kCompressed}) {
    Chunk chunk = std::move(Chunk(GetParam()).CheckedBy(check));
    chunk.digest[31] ^= std::byte{1};
    const auto bytes = chunk.Decode(1);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(bytes.error().message(), HasSubstr("wrong SHA-256"));
    EXPECT_THAT(bytes.error().message(), HasSubstr("span 0 of the layer"));
  }
}

TEST_P(ChunkTest, IsRefusedIfTheBlobEndsBeforeIt) {
  for (const auto check : {SpanCheck::kContent, SpanCheck::kCompressed}) {
    Chunk chunk = std::move(Chunk(GetParam()).CheckedBy(check));
    chunk.span.in_length += 1000;
    chunk.span.length += 1'000'000;
    EXPECT_EQ(chunk.Decode().error().code(), ErrorCode::kCorrupt);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ChunkTest,
                         ::testing::Values(SpanKind::kStored,
                                           SpanKind::kGzipStart,
                                           SpanKind::kZstdFrame));

TEST(SpanDecoder, RefusesToSkipTooMuch) {
  Chunk chunk(SpanKind::kGzipStart);
  chunk.CheckedBy(SpanCheck::kContent).span.skip = kMaxSpanSkip + 1;
  EXPECT_THAT(chunk.Decode().error().message(), HasSubstr("too far"));
}

TEST(SpanDecoder, RefusesToReadMuchInputForASpan) {
  Chunk chunk(SpanKind::kGzipStart);
  chunk.CheckedBy(SpanCheck::kCompressed).span.in_length = 1ull << 40;
  EXPECT_THAT(chunk.Decode().error().message(), HasSubstr("too many"));
}

TEST(SpanDecoder, RefusesASpanBehindTheEndOfItsMember) {
  Chunk chunk(SpanKind::kGzipStart);
  chunk.CheckedBy(SpanCheck::kCompressed).span.skip = 400'000;
  EXPECT_THAT(chunk.Decode().error().message(), HasSubstr("truncated"));
}

}  // namespace
}  // namespace imgmount
