// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/span_digests.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "meta/base/file.h"
#include "meta/base/wire.h"

namespace imgmount {
namespace {

constexpr std::array<char, 8> kMagic = {'i', 'm', 'g', 'm', 'S', 'D', 'I', 'G'};
constexpr uint32_t kVersion = 1;
constexpr size_t kChunk = 1 << 20;

// The file: this, then a Record for each span.
struct Header {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t reserved;  // 0
  uint64_t checksum;  // XXH3-64 of the records, seeded by the layer's digest
};

struct Record {
  uint64_t in_offset;
  uint64_t in_length;
  Sha256Digest sha256;
};
static_assert(sizeof(Header) == 24 && sizeof(Record) == 48);

Failure Corrupt(std::string_view what) {
  return Fail(ErrorCode::kCorrupt,
              "damaged span digests: " + std::string(what));
}

uint64_t Checksum(std::span<const std::byte> records, const Digest& layer) {
  return XXH3_64bits_withSeed(records.data(), records.size(),
                              SubjectSeed(layer.text()));
}

Status CheckWhole(BlobSource& blob, const Digest& layer) {
  Hasher hasher(layer.algorithm());
  std::vector<std::byte> chunk(kChunk);
  for (uint64_t at = 0; at < blob.size();) {
    IMGMOUNT_TRY(const size_t n, blob.Read(at, chunk));
    if (n == 0) break;
    hasher.Update(std::span<const std::byte>(chunk).first(n));
    at += n;
  }
  if (hasher.FinishDigest() == layer) return {};
  return Fail(ErrorCode::kCorrupt, "the blob has another digest");
}

class DigestedSpans : public SpanTable {
 public:
  DigestedSpans(std::unique_ptr<SpanTable> spans, std::vector<Record> records)
      : spans_(std::move(spans)), records_(std::move(records)) {}

  uint64_t size() const override { return spans_->size(); }
  size_t span_count() const override { return spans_->span_count(); }
  Span span(size_t i) const override {
    Span span = spans_->span(i);
    span.check = SpanCheck::kCompressed;
    return span;
  }
  size_t Find(uint64_t offset) const override { return spans_->Find(offset); }
  bool needs_frames() const override { return false; }
  uint64_t block_checksum(size_t i, size_t b) const override {
    return spans_->block_checksum(i, b);
  }
  Sha256Digest digest(size_t i) const override { return records_[i].sha256; }
  Result<std::string_view> PackedState(size_t i) const override {
    return spans_->PackedState(i);
  }
  void WillNeed(size_t i) const override { spans_->WillNeed(i); }

 private:
  const std::unique_ptr<SpanTable> spans_;
  const std::vector<Record> records_;
};

}  // namespace

Status WriteSpanDigests(const std::filesystem::path& path,
                        const SpanTable& spans, BlobSource& blob,
                        const Digest& layer) {
  std::vector<Record> records;
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < spans.span_count(); ++i) {
    const Span span = spans.span(i);
    bytes.resize(span.in_length);
    IMGMOUNT_TRY(const size_t read, blob.Read(span.in_offset, bytes));
    if (read != bytes.size()) {
      return Fail(ErrorCode::kCorrupt, "the blob is shorter than its spans");
    }
    records.push_back({span.in_offset, span.in_length, Sha256(bytes)});
  }
  // The hashed bytes are those of the digest, unless somebody writes to the
  // blob meanwhile, which nobody may.
  IMGMOUNT_CHECK(CheckWhole(blob, layer));
  const auto all = std::as_bytes(std::span(records));
  std::string header;
  AppendWire(header, Header{kMagic, kVersion, 0, Checksum(all, layer)});
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::Create(path));
  IMGMOUNT_CHECK(file.Write(header));
  IMGMOUNT_CHECK(file.Write(all));
  return file.Commit();
}

Result<std::unique_ptr<SpanTable>> WithSpanDigests(
    std::unique_ptr<SpanTable> spans, const std::filesystem::path& path,
    const Digest& layer) {
  IMGMOUNT_TRY(const MappedFile file, MappedFile::Open(path));
  const auto header = ReadWire<Header>(file.bytes(), 0);
  if (!header || header->magic != kMagic || header->version != kVersion) {
    return Corrupt("not of this version");
  }
  const auto bytes = file.bytes().subspan(sizeof(Header));
  if (bytes.size() != spans->span_count() * sizeof(Record)) {
    return Corrupt("of another span table");
  }
  if (header->checksum != Checksum(bytes, layer)) {
    return Corrupt("wrong checksum");
  }
  std::vector<Record> records(spans->span_count());
  std::memcpy(records.data(), bytes.data(), bytes.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const Span span = spans->span(i);
    if (span.in_offset != records[i].in_offset ||
        span.in_length != records[i].in_length ||
        span.file != SpanFile::kBlob) {
      return Corrupt("of another span table");
    }
  }
  return std::make_unique<DigestedSpans>(std::move(spans), std::move(records));
}

}  // namespace imgmount
