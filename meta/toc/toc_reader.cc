// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "meta/codec/zstd_stream.h"
#include "meta/gzip/gzip_stream.h"
#include "meta/tar/tar_header.h"
#include "meta/toc/toc_json.h"

namespace imgmount {
namespace {

constexpr std::string_view kTocName = "stargz.index.json";
constexpr size_t kTarBlock = 512;
constexpr size_t kBufferBytes = 64 << 10;

Failure Corrupt(std::string what) {
  return Fail(ErrorCode::kCorrupt, "table of contents: " + std::move(what));
}

Failure Unsupported(std::string what) {
  return Fail(ErrorCode::kUnsupported, "table of contents: " + std::move(what));
}

// Compares what a hasher found with what was promised, if anything was.
class Check {
 public:
  explicit Check(const std::optional<Digest>& expected)
      : expected_(expected),
        hasher_(expected ? expected->algorithm() : DigestAlgorithm::kSha256) {}

  void Update(std::span<const std::byte> bytes) {
    if (expected_) hasher_.Update(bytes);
  }
  Status Finish() {
    if (!expected_) return {};
    const Digest found = hasher_.FinishDigest();
    if (found == *expected_) return {};
    return Corrupt("wrong digest: expected " + expected_->text() + ", got " +
                   found.text());
  }

 private:
  const std::optional<Digest>& expected_;
  Hasher hasher_;
};

// The TOC's compressed bytes, hashed, and no more of them than there should be.
class Compressed {
 public:
  Compressed(const TocDigests& digests, uint64_t length, const NextPiece& next)
      : check_(digests.compressed), left_(length), next_(next) {}

  std::span<const std::byte> Next() {
    if (left_ == 0) return {};
    auto piece = next_();
    piece = piece.first(std::min<uint64_t>(piece.size(), left_));
    check_.Update(piece);
    left_ -= piece.size();
    return piece;
  }
  Status Finish() {
    while (!Next().empty()) {
    }
    if (left_ > 0) return Corrupt("cut short");
    return check_.Finish();
  }

 private:
  Check check_;
  uint64_t left_;
  const NextPiece& next_;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // At most `most` decoded bytes, valid until the next call; empty at the end
  // of the input, and after an error.
  virtual std::span<const std::byte> Next(uint64_t most) = 0;
  virtual const Status& status() const = 0;
};

template <typename Stream>
class StreamDecoder : public Decoder {
 public:
  explicit StreamDecoder(Compressed& compressed) : compressed_(compressed) {}

  std::span<const std::byte> Next(uint64_t most) override {
    const auto room = std::span(buffer_).first(
        static_cast<size_t>(std::min<uint64_t>(most, buffer_.size())));
    while (status_ && !room.empty()) {
      if (in_.empty()) in_ = compressed_.Next();
      const size_t before = in_.size();
      auto out = room;
      status_ = stream_.Step(in_, out);
      const size_t made = room.size() - out.size();
      if (made > 0) return room.first(made);
      if (in_.size() == before) return {};
    }
    return {};
  }
  const Status& status() const override { return status_; }

 private:
  Compressed& compressed_;
  Stream stream_;
  std::span<const std::byte> in_;
  std::array<std::byte, kBufferBytes> buffer_;
  Status status_;
};

// The JSON's bytes, hashed; of eStargz also piece by piece, as they are a file
// of the layer.
class Json {
 public:
  Json(const TocDigests& digests, Decoder& decoder)
      : check_(digests.json), decoder_(decoder) {}

  // Exactly so many bytes are to come, in place of as many as there are.
  void Expect(uint64_t size) { expected_ = size; }
  // Also note pieces of the file that the JSON is.
  void NotePieces() { noting_ = true; }

  std::span<const std::byte> Next() {
    uint64_t most = expected_.value_or(kMaxTocJson) - size_;
    if (noting_) most = std::min(most, kMaxSpanBytes - piece_size_);
    const auto bytes = decoder_.Next(most);
    check_.Update(bytes);
    size_ += bytes.size();
    if (noting_) Note(bytes);
    return bytes;
  }
  Status Finish() {
    while (!Next().empty()) {
    }
    IMGMOUNT_CHECK(decoder_.status());
    if (expected_ ? size_ != *expected_ : size_ == kMaxTocJson) {
      return expected_ ? Corrupt("of another size than was said")
                       : Unsupported("too large");
    }
    if (piece_size_ > 0) EndPiece();
    return check_.Finish();
  }

  std::vector<TocChunk> TakePieces() { return std::move(pieces_); }

 private:
  void Note(std::span<const std::byte> bytes) {
    hasher_.Update(bytes);
    piece_size_ += bytes.size();
    if (piece_size_ == kMaxSpanBytes) EndPiece();
  }
  void EndPiece() {
    TocChunk piece;
    piece.length = piece_size_;
    piece.skip = size_ - piece_size_;
    piece.sha256 = Sha256Bytes(hasher_.FinishDigest());
    pieces_.push_back(piece);
    hasher_ = Hasher();
    piece_size_ = 0;
  }

  Check check_;
  Decoder& decoder_;
  std::optional<uint64_t> expected_;
  uint64_t size_ = 0;
  bool noting_ = false;
  Hasher hasher_;
  uint64_t piece_size_ = 0;
  std::vector<TocChunk> pieces_;
};

// The tar entry of eStargz' TOC, by its header: a walk of that header and as
// many zeros as the entry is long.
Result<LayerEntry> WalkHeader(std::span<const std::byte> header,
                              uint64_t size) {
  static constexpr std::array<std::byte, kBufferBytes> kZeros = {};
  const uint64_t blocks = (size + kTarBlock - 1) / kTarBlock + 2;
  uint64_t left = blocks * kTarBlock;
  bool in_header = true;
  const NextPiece next = [&] {
    if (std::exchange(in_header, false)) return header;
    const auto piece =
        std::span(kZeros).first(std::min<uint64_t>(left, kZeros.size()));
    left -= piece.size();
    return std::span<const std::byte>(piece);
  };
  IMGMOUNT_TRY(const LayerIndex index,
               WalkTar(next, [] { return IndexMemoryLimit(0); }));
  if (index.size() != 1 || index.entry(0).path != kTocName ||
      index.entry(0).size != size) {
    return Unsupported("in a tar of another kind");
  }
  const EntryView view = index.entry(0);
  LayerEntry file;
  file.path = view.path;
  file.type = view.type;
  file.mode = view.mode;
  file.uid = view.uid;
  file.gid = view.gid;
  file.mtime = view.mtime;
  file.size = size;
  return file;
}

// The tar's header in front of eStargz' JSON, which it tells the size of.
Result<LayerEntry> ReadHeader(Decoder& decoder) {
  std::string header;
  while (header.size() < kTarBlock) {
    const auto bytes = decoder.Next(kTarBlock - header.size());
    IMGMOUNT_CHECK(decoder.status());
    if (bytes.empty()) return Corrupt("cut short");
    header.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  IMGMOUNT_TRY(const TarHeader parsed, ParseTarHeader(header));
  if (parsed.size > kMaxTocJson) return Unsupported("too large");
  return WalkHeader(std::as_bytes(std::span(header)), parsed.size);
}

Status ReadJson(Json& json, Compressed& compressed, TocIndexer& indexer) {
  const auto parsed =
      ParseTocJson([&] { return json.Next(); },
                   [&](const TocEntry& entry) { return indexer.Add(entry); });
  // Whether these are the right bytes comes before what is wrong in them.
  if (parsed || parsed.error().code() == ErrorCode::kCorrupt) {
    const auto right = json.Finish();
    IMGMOUNT_CHECK(compressed.Finish());
    IMGMOUNT_CHECK(right);
  }
  return parsed;
}

}  // namespace

Result<Toc> ReadToc(const TocDigests& digests, const TocLocation& where,
                    const NextPiece& next) {
  Compressed compressed(digests, where.length, next);
  // The size that the layer is said to have is no measure for what to trust.
  // In real TOCs an entry and its chunk take six times what they are here.
  TocIndexer indexer(where.data_end, IndexMemoryLimit(2 * where.length));
  if (where.encoding == TocEncoding::kZstd) {
    StreamDecoder<ZstdStream> decoder(compressed);
    Json json(digests, decoder);
    if (where.json_size) json.Expect(*where.json_size);
    IMGMOUNT_CHECK(ReadJson(json, compressed, indexer));
    return indexer.Finish();
  }
  StreamDecoder<GzipStream> decoder(compressed);
  IMGMOUNT_TRY(LayerEntry file, ReadHeader(decoder));
  Json json(digests, decoder);
  json.Expect(file.size);
  json.NotePieces();
  IMGMOUNT_CHECK(ReadJson(json, compressed, indexer));
  std::vector<TocChunk> pieces = json.TakePieces();
  for (TocChunk& piece : pieces) {
    piece.in_offset = where.offset;
    piece.in_length = where.length;
    piece.skip += kTarBlock;
  }
  IMGMOUNT_CHECK(indexer.AddFile(std::move(file), pieces));
  return indexer.Finish();
}

}  // namespace imgmount
