// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/span_table.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>

#include "meta/base/digest.h"
#include "meta/base/wire.h"
#include "meta/base/xxh3.h"
#include "meta/gzip/isal_build.h"
#include "meta/layer/span_format.h"

namespace imgmount {
namespace {

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

constexpr uint64_t kMaxState = 1 << 20;  // far more than a packed state takes

Failure Corrupt(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, "damaged span table: " + std::string(what));
}

class MappedSpanTable : public SpanTable {
 public:
  explicit MappedSpanTable(MappedFile file) : file_(std::move(file)) {}

  Status Check();

  uint64_t size() const override { return header_.uncompressed_size; }
  size_t span_count() const override { return spans_.size(); }
  Span span(size_t i) const override;
  size_t Find(uint64_t offset) const override;
  bool needs_frames() const override { return needs_frames_; }
  uint64_t block_checksum(size_t i, size_t b) const override {
    return blocks_[spans_[i].first_block + b];
  }
  Result<std::string_view> PackedState(size_t i) const override;
  void WillNeed(size_t i) const override {
    if (spans_[i].state_length == 0) return;
    file_.WillNeed(spans_[i].state_offset, spans_[i].state_length);
  }

 private:
  Status CheckSpan(const SpanRecord& s, const SpanRecord* before) const;

  MappedFile file_;
  SpansHeader header_ = {};
  // Copies: a few hundred records, and a mapping gives no alignment.
  std::vector<SpanRecord> spans_;
  std::vector<uint64_t> blocks_;
  bool needs_frames_ = false;
};

Status MappedSpanTable::Check() {
  const auto bytes = file_.bytes();
  const auto header = ReadWire<SpansHeader>(bytes, 0);
  if (!header || header->magic != kSpansMagic) {
    return Corrupt("not a span table");
  }
  header_ = *header;
  if (header_.version != kSpansVersion) return Corrupt("another version");
  if (header_.header_checksum !=
      XXH3_64bits(bytes.data(), offsetof(SpansHeader, header_checksum))) {
    return Corrupt("wrong checksum of its header");
  }
  // The counts are bounded by the file's size before they are multiplied.
  if (header_.span_count > bytes.size() || header_.block_count > bytes.size() ||
      header_.table_offset < sizeof header_ ||
      header_.table_offset > bytes.size() ||
      bytes.size() - header_.table_offset !=
          header_.span_count * sizeof(SpanRecord) + header_.block_count * 8) {
    return Corrupt("wrong length");
  }
  const auto table = bytes.subspan(header_.table_offset);
  file_.WillNeed(header_.table_offset, table.size());
  if (header_.table_checksum != XXH3_64bits(table.data(), table.size())) {
    return Corrupt("wrong checksum");
  }
  spans_.resize(header_.span_count);
  blocks_.resize(header_.block_count);
  const size_t spans_size = spans_.size() * sizeof(SpanRecord);
  std::copy_n(table.data(), spans_size,
              reinterpret_cast<std::byte*>(spans_.data()));
  std::copy_n(table.data() + spans_size, blocks_.size() * 8,
              reinterpret_cast<std::byte*>(blocks_.data()));

  const SpanRecord* before = nullptr;
  bool has_states = false;
  for (const SpanRecord& s : spans_) {
    IMGMOUNT_CHECK(CheckSpan(s, before));
    needs_frames_ |= s.file == static_cast<uint16_t>(SpanFile::kFrames);
    has_states |= s.state_length > 0;
    before = &s;
  }
  if (header_.uncompressed_size !=
          (before == nullptr ? 0 : before->offset + before->length) ||
      header_.block_count !=
          (before == nullptr
               ? 0
               : before->first_block + BlockCount(before->length))) {
    return Corrupt("spans do not cover the layer");
  }
  if (!has_states) return {};
  if (header_.isal_build != IsalBuild()) {
    return Fail(ErrorCode::kUnsupported,
                "the span table's states were saved by another build of ISA-L");
  }
  if (!IsOurs(file_.stat())) {
    return Corrupt("others than its owner and root could have written it");
  }
  return {};
}

Status MappedSpanTable::CheckSpan(const SpanRecord& s,
                                  const SpanRecord* before) const {
  const uint64_t offset =
      before == nullptr ? 0 : before->offset + before->length;
  const uint64_t first_block =
      before == nullptr ? 0 : before->first_block + BlockCount(before->length);
  if (s.offset != offset || s.first_block != first_block || s.length == 0 ||
      s.length > kMaxSpanBytes || offset > offset + s.length ||
      s.in_offset > INT64_MAX || s.in_length > INT64_MAX - s.in_offset) {
    return Corrupt("spans do not follow each other");
  }
  const bool with_state = s.kind == static_cast<uint16_t>(SpanKind::kIsalState);
  if (s.kind > static_cast<uint16_t>(SpanKind::kZstdFrame) ||
      s.file > static_cast<uint16_t>(SpanFile::kFrames) ||
      with_state != (s.state_length > 0) || s.state_length > kMaxState ||
      (with_state &&
       (s.state_offset < sizeof header_ ||
        s.state_offset > header_.table_offset ||
        s.state_length > header_.table_offset - s.state_offset))) {
    return Corrupt("a span of an unknown kind");
  }
  return {};
}

Span MappedSpanTable::span(size_t i) const {
  const SpanRecord& s = spans_[i];
  return {s.offset,
          s.length,
          s.in_offset,
          s.in_length,
          static_cast<SpanKind>(s.kind),
          static_cast<SpanFile>(s.file),
          s.first_block,
          s.state_offset,
          s.state_length};
}

size_t MappedSpanTable::Find(uint64_t offset) const {
  const auto after = std::upper_bound(
      spans_.begin(), spans_.end(), offset,
      [](uint64_t o, const SpanRecord& s) { return o < s.offset; });
  return static_cast<size_t>(after - spans_.begin()) - 1;
}

Result<std::string_view> MappedSpanTable::PackedState(size_t i) const {
  const SpanRecord& s = spans_[i];
  const auto packed = file_.bytes().subspan(s.state_offset, s.state_length);
  if (Sha256(packed) != s.state_sha256) {
    return Corrupt(fmt::format("wrong SHA-256 of the state of span {}", i));
  }
  return std::string_view(reinterpret_cast<const char*>(packed.data()),
                          packed.size());
}

}  // namespace

Result<std::unique_ptr<SpanTable>> SpanTable::Open(
    const std::filesystem::path& path) {
  IMGMOUNT_TRY(MappedFile file, MappedFile::Open(path));
  auto table = std::make_unique<MappedSpanTable>(std::move(file));
  if (auto checked = table->Check(); !checked) {
    return Failure(std::move(checked).error().In(path.string()));
  }
  return table;
}

Status SpanTable::LoadState(size_t i, std::span<std::byte> to) const {
  IMGMOUNT_TRY(const std::string_view packed, PackedState(i));
  // Making one takes half as long as what it is for.
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(
      ZSTD_createDCtx());
  if (ZSTD_decompressDCtx(context.get(), to.data(), to.size(), packed.data(),
                          packed.size()) != to.size()) {
    return Corrupt(fmt::format("the state of span {} does not unpack", i));
  }
  return {};
}

}  // namespace imgmount
