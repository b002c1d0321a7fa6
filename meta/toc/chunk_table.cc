// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/chunk_table.h"

#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "meta/base/file.h"
#include "meta/base/wire.h"

namespace imgmount {
namespace {

constexpr std::array<char, 8> kMagic = {'i', 'm', 'g', 'm', 'C', 'H', 'N', 'K'};
constexpr uint32_t kVersion = 1;

// The file: this, then a TocChunk for each chunk.
struct Header {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t kind;      // SpanKind
  uint64_t checksum;  // XXH3-64 of the chunks, seeded by kind and subject
};

static_assert(sizeof(Header) == 24 && sizeof(TocChunk) == 72);

Failure Corrupt(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, "damaged chunk table: " + std::string(what));
}

uint64_t Checksum(std::span<const std::byte> chunks, uint32_t kind,
                  std::string_view subject) {
  return XXH3_64bits_withSeed(chunks.data(), chunks.size(),
                              SubjectSeed(subject) + kind);
}

class ChunkTable : public SpanTable {
 public:
  explicit ChunkTable(MappedFile file) : file_(std::move(file)) {}

  Status Check(std::string_view subject);

  uint64_t size() const override { return size_; }
  size_t span_count() const override { return count_; }
  Span span(size_t i) const override {
    const TocChunk c = chunk(i);
    return {.offset = c.offset,
            .length = c.length,
            .in_offset = c.in_offset,
            .in_length = c.in_length,
            .kind = kind_,
            .skip = c.skip,
            .check = SpanCheck::kContent};
  }
  size_t Find(uint64_t offset) const override {
    size_t found = 0;
    for (size_t end = count_; end - found > 1;) {
      const size_t middle = found + (end - found) / 2;
      (chunk(middle).offset <= offset ? found : end) = middle;
    }
    return found;
  }
  bool needs_frames() const override { return false; }
  uint64_t block_checksum(size_t, size_t) const override { return 0; }
  Sha256Digest digest(size_t i) const override { return chunk(i).sha256; }
  Result<std::string_view> PackedState(size_t) const override {
    return Fail(ErrorCode::kInternal, "chunks have no state");
  }
  void WillNeed(size_t) const override {}

 private:
  TocChunk chunk(size_t i) const {
    TocChunk chunk;
    std::memcpy(&chunk,
                file_.bytes().data() + sizeof(Header) + i * sizeof(TocChunk),
                sizeof chunk);
    return chunk;
  }

  MappedFile file_;
  SpanKind kind_ = SpanKind::kGzipStart;
  size_t count_ = 0;
  uint64_t size_ = 0;
};

Status ChunkTable::Check(std::string_view subject) {
  const auto header = ReadWire<Header>(file_.bytes(), 0);
  if (!header || header->magic != kMagic) return Corrupt("not a chunk table");
  if (header->version != kVersion) return Corrupt("another version");
  const auto chunks = file_.bytes().subspan(sizeof(Header));
  file_.WillNeed(sizeof(Header), chunks.size());
  if (chunks.size() % sizeof(TocChunk) != 0 ||
      header->checksum != Checksum(chunks, header->kind, subject)) {
    return Corrupt("wrong checksum");
  }
  kind_ = static_cast<SpanKind>(header->kind);
  if (kind_ != SpanKind::kGzipStart && kind_ != SpanKind::kZstdFrame) {
    return Corrupt("of an unknown kind");
  }
  count_ = chunks.size() / sizeof(TocChunk);
  for (size_t i = 0; i < count_; ++i) {
    const TocChunk c = chunk(i);
    if (c.offset != size_ || c.length == 0 || c.length > kMaxSpanBytes ||
        c.skip > kMaxSpanSkip || c.in_length == 0 || c.in_offset > INT64_MAX ||
        c.in_length > INT64_MAX - c.in_offset) {
      return Corrupt("chunks do not follow each other");
    }
    size_ += c.length;
  }
  return {};
}

}  // namespace

Status WriteChunkTable(const std::filesystem::path& path,
                       std::span<const TocChunk> chunks, TocEncoding encoding,
                       std::string_view subject) {
  const auto bytes = std::as_bytes(chunks);
  const auto kind = static_cast<uint32_t>(encoding == TocEncoding::kGzip
                                              ? SpanKind::kGzipStart
                                              : SpanKind::kZstdFrame);
  std::string header;
  AppendWire(header,
             Header{kMagic, kVersion, kind, Checksum(bytes, kind, subject)});
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::Create(path));
  IMGMOUNT_CHECK(file.Write(header));
  IMGMOUNT_CHECK(file.Write(bytes));
  return file.Commit();
}

Result<std::unique_ptr<SpanTable>> OpenChunkTable(
    const std::filesystem::path& path, std::string_view subject) {
  IMGMOUNT_TRY(MappedFile file, MappedFile::Open(path));
  auto table = std::make_unique<ChunkTable>(std::move(file));
  if (auto checked = table->Check(subject); !checked) {
    return Failure(std::move(checked).error().In(path.string()));
  }
  return table;
}

}  // namespace imgmount
