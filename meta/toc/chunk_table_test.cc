// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/chunk_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "meta/base/file.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::HasSubstr;

class ChunkTableTest : public ::testing::Test {
 protected:
  ChunkTableTest() {
    for (const uint64_t length : {10, 1, 500}) {
      TocChunk chunk;
      chunk.offset = size_;
      chunk.length = length;
      chunk.in_offset = 100 + size_;
      chunk.in_length = 7;
      chunk.skip = length / 2;
      chunk.sha256[0] = static_cast<std::byte>(length);
      size_ += length;
      chunks_.push_back(chunk);
    }
  }

  Result<std::unique_ptr<SpanTable>> WriteAndOpen(
      TocEncoding encoding = TocEncoding::kZstd,
      std::string_view subject = "subject") {
    IMGMOUNT_CHECK(WriteChunkTable(path_, chunks_, encoding, "subject"));
    return OpenChunkTable(path_, subject);
  }

  const testing::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "chunks";
  std::vector<TocChunk> chunks_;
  uint64_t size_ = 0;
};

TEST_F(ChunkTableTest, GivesBackWhatWasWritten) {
  const auto table = WriteAndOpen();
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ((*table)->size(), 511u);
  ASSERT_EQ((*table)->span_count(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const Span span = (*table)->span(i);
    EXPECT_EQ(span.offset, chunks_[i].offset);
    EXPECT_EQ(span.length, chunks_[i].length);
    EXPECT_EQ(span.in_offset, chunks_[i].in_offset);
    EXPECT_EQ(span.in_length, chunks_[i].in_length);
    EXPECT_EQ(span.skip, chunks_[i].skip);
    EXPECT_EQ(span.kind, SpanKind::kZstdFrame);
    EXPECT_EQ(span.check, SpanCheck::kContent);
    EXPECT_EQ((*table)->digest(i), chunks_[i].sha256);
    EXPECT_EQ((*table)->Find(span.offset), i);
    EXPECT_EQ((*table)->Find(span.offset + span.length - 1), i);
  }
  EXPECT_EQ((*WriteAndOpen(TocEncoding::kGzip))->span(0).kind,
            SpanKind::kGzipStart);
}

TEST_F(ChunkTableTest, MayBeEmpty) {
  chunks_.clear();
  EXPECT_EQ((*WriteAndOpen())->size(), 0u);
}

TEST_F(ChunkTableTest, IsAboutItsSubjectOnly) {
  const auto table = WriteAndOpen(TocEncoding::kZstd, "another");
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code(), ErrorCode::kCorrupt);
}

TEST_F(ChunkTableTest, NoticesAnyDamage) {
  ASSERT_TRUE(WriteAndOpen());
  const std::string right = ReadFile(path_, 1 << 20).value();
  for (size_t i = 0; i < right.size(); ++i) {
    std::string wrong = right;
    wrong[i] ^= 1;
    std::ofstream(path_, std::ios::binary) << wrong;
    EXPECT_FALSE(OpenChunkTable(path_, "subject")) << i;
    std::ofstream(path_, std::ios::binary) << right.substr(0, i);
    EXPECT_FALSE(OpenChunkTable(path_, "subject")) << i;
  }
}

TEST_F(ChunkTableTest, RefusesWhatIsOutOfOrder) {
  const std::vector<TocChunk> right = chunks_;
  const auto refused = [&](auto change) {
    chunks_ = right;
    change(chunks_[1]);
    const auto table = WriteAndOpen();
    return !table && table.error().code() == ErrorCode::kCorrupt;
  };
  EXPECT_TRUE(refused([](auto& c) { c.offset = 11; }));
  EXPECT_TRUE(refused([](auto& c) { c.length = 0; }));
  EXPECT_TRUE(refused([](auto& c) { c.length = kMaxSpanBytes + 1; }));
  EXPECT_TRUE(refused([](auto& c) { c.skip = kMaxSpanSkip + 1; }));
  EXPECT_TRUE(refused([](auto& c) { c.in_length = 0; }));
  EXPECT_TRUE(refused([](auto& c) { c.in_offset = UINT64_MAX; }));
  EXPECT_FALSE(refused([](auto&) {}));
}

}  // namespace
}  // namespace imgmount
