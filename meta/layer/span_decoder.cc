// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/xxh3.h"
#include "meta/codec/zstd_stream.h"
#include "meta/gzip/gzip_stream.h"
#include "meta/layer/span_format.h"
#include "meta/layer/span_table.h"

namespace imgmount {
namespace {

constexpr size_t kInputBytes = 32 << 10;

// For a span whose compressed bytes are checked before they are decoded. None
// that was made by a real encoder takes so many.
constexpr uint64_t kMaxCheckedInput = 2 * kMaxSpanBytes;

// Compressed bytes that were verified as a whole, at their place in the blob.
class VerifiedInput : public BlobSource {
 public:
  static Result<std::unique_ptr<BlobSource>> Read(BlobSource& source,
                                                  const Span& span,
                                                  const Sha256Digest& digest) {
    if (span.in_length > kMaxCheckedInput) {
      return Fail(ErrorCode::kCorrupt, "too many compressed bytes in a span");
    }
    std::vector<std::byte> bytes(span.in_length);
    IMGMOUNT_TRY(const size_t read, source.Read(span.in_offset, bytes));
    if (read != bytes.size())
      return Fail(ErrorCode::kCorrupt, "truncated data");
    if (Sha256(bytes) != digest) {
      return Fail(ErrorCode::kCorrupt, "wrong SHA-256 of compressed bytes");
    }
    return std::make_unique<VerifiedInput>(span.in_offset, std::move(bytes));
  }
  VerifiedInput(uint64_t offset, std::vector<std::byte> bytes)
      : offset_(offset), bytes_(std::move(bytes)) {}

  uint64_t size() const override { return offset_ + bytes_.size(); }
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) override {
    const size_t n = std::min<uint64_t>(out.size(), size() - offset);
    std::memcpy(out.data(), bytes_.data() + (offset - offset_), n);
    return n;
  }
  void WillNeed(uint64_t /*offset*/, uint64_t /*length*/) override {}

 private:
  const uint64_t offset_;
  const std::vector<std::byte> bytes_;
};

struct SpanInput {
  BlobSource* source;
  std::unique_ptr<BlobSource> owned;  // the source, if nobody else has it
};

// The part that is common to all kinds: compressed bytes come in pieces,
// decoded ones go to the front of the buffer and are verified there.
class VerifyingDecoder : public SpanDecoder {
 public:
  VerifyingDecoder(const SpanTable& table, size_t number, SpanInput input,
                   std::span<std::byte> out)
      : table_(table),
        number_(number),
        span_(table.span(number)),
        input_(std::move(input)),
        out_(out.first(span_.length)),
        in_offset_(span_.in_offset) {}

  Status DecodeTo(uint64_t end) override {
    end = std::min(end, span_.length);
    while (ready_ < end) {
      if (auto decoded = Decode(Goal(end)); !decoded) {
        return Failure(std::move(decoded).error().In(
            fmt::format("span {} of the layer", number_)));
      }
      IMGMOUNT_CHECK(Verify());
    }
    return {};
  }
  uint64_t ready() const override { return ready_; }

 protected:
  // Adds at least one byte to done_, none beyond `goal`.
  virtual Status Decode(uint64_t goal) = 0;

  uint64_t in_left() const {
    return span_.in_offset + span_.in_length - in_offset_;
  }
  // The next compressed bytes; at least one.
  Result<std::span<const std::byte>> ReadInput() {
    const auto size = std::min<uint64_t>(kInputBytes, in_left());
    if (size == 0) return Fail(ErrorCode::kCorrupt, "truncated data");
    in_buffer_.resize(size);
    IMGMOUNT_CHECK(ReadExactly(in_buffer_));
    return std::span<const std::byte>(in_buffer_);
  }
  Status ReadExactly(std::span<std::byte> to) {
    IMGMOUNT_TRY(const size_t read, input_.source->Read(in_offset_, to));
    if (read != to.size()) return Fail(ErrorCode::kCorrupt, "truncated data");
    in_offset_ += read;
    return {};
  }
  std::span<std::byte> Room(uint64_t goal) const {
    return out_.subspan(done_, goal - done_);
  }

  const SpanTable& table_;
  const size_t number_;
  const Span span_;
  uint64_t done_ = 0;  // decoded bytes in out_

 private:
  // How far to decode so that `end` bytes can be verified: no further than the
  // block that holds the last of them.
  uint64_t Goal(uint64_t end) const {
    if (span_.check == SpanCheck::kContent) return span_.length;
    return std::min(BlockCount(end) * kBlockBytes, span_.length);
  }

  Status Verify() {
    switch (span_.check) {
      case SpanCheck::kBlocks:
        return VerifyBlocks();
      case SpanCheck::kContent:
        if (done_ < span_.length) return {};
        if (Sha256(out_) != table_.digest(number_)) return Wrong("SHA-256");
        break;
      case SpanCheck::kCompressed:  // which they were
        break;
    }
    ready_ = done_;
    return {};
  }

  Status VerifyBlocks() {
    while (ready_ < done_) {
      const uint64_t length = std::min(kBlockBytes, span_.length - ready_);
      if (ready_ + length > done_) break;
      const uint64_t hash = XXH3_64bits(out_.data() + ready_, length);
      if (hash != table_.block_checksum(number_, ready_ / kBlockBytes)) {
        return Wrong("checksum");
      }
      ready_ += length;
    }
    return {};
  }

  Failure Wrong(std::string_view what) const {
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("wrong {} in span {} of the layer at byte {} of its tar",
                    what, number_, span_.offset + ready_));
  }

  const SpanInput input_;
  const std::span<std::byte> out_;
  uint64_t in_offset_;  // of the next compressed byte to read
  uint64_t ready_ = 0;  // verified bytes in out_
  std::vector<std::byte> in_buffer_;
};

class StoredDecoder : public VerifyingDecoder {
 public:
  using VerifyingDecoder::VerifyingDecoder;

 private:
  Status Decode(uint64_t goal) override {
    const auto room = Room(goal);
    IMGMOUNT_CHECK(ReadExactly(room));
    done_ += room.size();
    return {};
  }
};

// GzipStream and ZstdStream look alike.
template <typename Stream>
class StreamDecoder : public VerifyingDecoder {
 public:
  using VerifyingDecoder::VerifyingDecoder;

  Stream& stream() { return stream_; }

 private:
  Status Decode(uint64_t goal) override {
    if (skipped_ < span_.skip) IMGMOUNT_CHECK(Skip());
    IMGMOUNT_TRY(const size_t n, DecodeSome(Room(goal)));
    done_ += n;
    return {};
  }

  // Decodes what comes before the span, for nothing.
  Status Skip() {
    std::vector<std::byte> unused(std::min(kBlockBytes, span_.skip));
    while (skipped_ < span_.skip) {
      const size_t most = std::min(unused.size(), span_.skip - skipped_);
      IMGMOUNT_TRY(const size_t n, DecodeSome(std::span(unused).first(most)));
      skipped_ += n;
    }
    return {};
  }

  // At least one byte to the front of `room`; returns how many.
  Result<size_t> DecodeSome(std::span<std::byte> room) {
    auto out = room;
    while (out.size() == room.size()) {
      // A step without input may still have output to hand out.
      if (in_.empty() && in_left() > 0) {
        IMGMOUNT_TRY(in_, ReadInput());
      }
      const size_t before = in_.size();
      IMGMOUNT_CHECK(stream_.Step(in_, out));
      if (in_.size() == before && out.size() == room.size()) {
        return Fail(ErrorCode::kCorrupt, "truncated data");
      }
    }
    return room.size() - out.size();
  }

  Stream stream_;
  std::span<const std::byte> in_;
  uint64_t skipped_ = 0;
};

}  // namespace

Result<std::unique_ptr<SpanDecoder>> SpanDecoder::Start(
    const SpanTable& table, size_t i, BlobSource& blob, BlobSource* frames,
    std::span<std::byte> out) {
  const Span span = table.span(i);
  if (out.size() < span.length) {
    return Fail(ErrorCode::kInternal, "buffer smaller than its span");
  }
  if (span.file == SpanFile::kFrames && frames == nullptr) {
    return Fail(ErrorCode::kInternal, "no frames file for a span in it");
  }
  if (span.skip > kMaxSpanSkip) {
    return Fail(ErrorCode::kCorrupt, "a span too far into its frame");
  }
  BlobSource& source = span.file == SpanFile::kFrames ? *frames : blob;
  // The first bytes apart: of one request nothing is there before all is.
  table.WillNeed(i);
  const uint64_t front = std::min<uint64_t>(span.in_length, kInputBytes);
  source.WillNeed(span.in_offset, front);
  source.WillNeed(span.in_offset + front, span.in_length - front);
  SpanInput input{&source, nullptr};
  if (span.check == SpanCheck::kCompressed) {
    auto verified = VerifiedInput::Read(source, span, table.digest(i));
    if (!verified) {
      return Failure(std::move(verified).error().In(
          fmt::format("span {} of the layer", i)));
    }
    input = {verified->get(), *std::move(verified)};
  }
  switch (span.kind) {
    case SpanKind::kStored:
      return std::make_unique<StoredDecoder>(table, i, std::move(input), out);
    case SpanKind::kGzipStart:
      return std::make_unique<StreamDecoder<GzipStream>>(table, i,
                                                         std::move(input), out);
    case SpanKind::kIsalState: {
      auto decoder = std::make_unique<StreamDecoder<GzipStream>>(
          table, i, std::move(input), out);
      IMGMOUNT_CHECK(table.LoadState(i, decoder->stream().Resume()));
      return decoder;
    }
    case SpanKind::kZstdFrame:
      return std::make_unique<StreamDecoder<ZstdStream>>(table, i,
                                                         std::move(input), out);
  }
  return Fail(ErrorCode::kInternal, "a span of an unknown kind");
}

}  // namespace imgmount
