// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <vector>

#include "meta/base/xxh3.h"
#include "meta/codec/zstd_stream.h"
#include "meta/gzip/gzip_stream.h"
#include "meta/layer/span_format.h"
#include "meta/layer/span_table.h"

namespace imgmount {
namespace {

constexpr size_t kInputBytes = 32 << 10;

// What is common to all kinds: compressed bytes come in pieces, decoded ones
// go to the front of the buffer, whole blocks are checked.
class BlockDecoder : public SpanDecoder {
 public:
  BlockDecoder(const SpanTable& table, size_t number, BlobSource& source,
               std::span<std::byte> out)
      : table_(table),
        number_(number),
        span_(table.span(number)),
        source_(source),
        out_(out.first(span_.length)),
        in_offset_(span_.in_offset) {}

  Status DecodeTo(uint64_t end) override {
    end = std::min(end, span_.length);
    while (ready_ < end) {
      // No further than the block that holds the last byte asked for.
      const uint64_t goal =
          std::min(BlockCount(end) * kBlockBytes, span_.length);
      if (auto decoded = Decode(goal); !decoded) {
        return Failure(std::move(decoded).error().In(
            fmt::format("span {} of the layer", number_)));
      }
      IMGMOUNT_CHECK(VerifyBlocks());
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
    IMGMOUNT_TRY(const size_t read, source_.Read(in_offset_, to));
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
  Status VerifyBlocks() {
    while (ready_ < done_) {
      const uint64_t length = std::min(kBlockBytes, span_.length - ready_);
      if (ready_ + length > done_) break;
      const uint64_t hash = XXH3_64bits(out_.data() + ready_, length);
      if (hash != table_.block_checksum(number_, ready_ / kBlockBytes)) {
        return Fail(ErrorCode::kCorrupt,
                    fmt::format("wrong checksum in span {} of the layer at "
                                "byte {} of its tar",
                                number_, span_.offset + ready_));
      }
      ready_ += length;
    }
    return {};
  }

  BlobSource& source_;
  const std::span<std::byte> out_;
  uint64_t in_offset_;  // of the next compressed byte to read
  uint64_t ready_ = 0;  // verified bytes in out_
  std::vector<std::byte> in_buffer_;
};

class StoredDecoder : public BlockDecoder {
 public:
  using BlockDecoder::BlockDecoder;

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
class StreamDecoder : public BlockDecoder {
 public:
  using BlockDecoder::BlockDecoder;

  Stream& stream() { return stream_; }

 private:
  Status Decode(uint64_t goal) override {
    const auto room = Room(goal);
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
    done_ += room.size() - out.size();
    return {};
  }

  Stream stream_;
  std::span<const std::byte> in_;
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
  BlobSource& source = span.file == SpanFile::kFrames ? *frames : blob;
  // The first bytes apart: of one request nothing is there before all is.
  table.WillNeed(i);
  const uint64_t front = std::min<uint64_t>(span.in_length, kInputBytes);
  source.WillNeed(span.in_offset, front);
  source.WillNeed(span.in_offset + front, span.in_length - front);
  switch (span.kind) {
    case SpanKind::kStored:
      return std::make_unique<StoredDecoder>(table, i, source, out);
    case SpanKind::kGzipStart:
      return std::make_unique<StreamDecoder<GzipStream>>(table, i, source, out);
    case SpanKind::kIsalState: {
      auto decoder =
          std::make_unique<StreamDecoder<GzipStream>>(table, i, source, out);
      IMGMOUNT_CHECK(table.LoadState(i, decoder->stream().Resume()));
      return decoder;
    }
    case SpanKind::kZstdFrame:
      return std::make_unique<StreamDecoder<ZstdStream>>(table, i, source, out);
  }
  return Fail(ErrorCode::kInternal, "a span of an unknown kind");
}

}  // namespace imgmount
