// SPDX-License-Identifier: Apache-2.0
// SpanTable: how to produce any byte of a layer's uncompressed tar without
// decoding what comes before it.
//
// A span is a run of the uncompressed tar (about kSpanBytes) that can be
// decoded by itself. Within a span decoding goes forward only, but it may stop
// early: every kBlockBytes of output have a checksum of their own, so a reader
// of the span's first bytes waits for those alone. Spans that another's table
// of contents lists (a chunk of eStargz or zstd:chunked) have one digest for
// all their bytes instead: see SpanCheck.
//
// Thread-safe: an open table is immutable. A SpanDecoder belongs to one thread
// at a time.
#ifndef IMGMOUNT_META_LAYER_SPAN_TABLE_H_
#define IMGMOUNT_META_LAYER_SPAN_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/file.h"
#include "meta/base/result.h"
#include "meta/layer/blob_source.h"

namespace imgmount {

inline constexpr uint64_t kSpanBytes = 1 << 20;      // aimed at, per span
inline constexpr uint64_t kMaxSpanBytes = 16 << 20;  // never more than this
inline constexpr uint64_t kBlockBytes = 64 << 10;    // one checksum each
inline constexpr uint64_t kMaxSpanSkip = 1 << 30;    // decoded before a span

enum class SpanKind : uint8_t {
  kStored,     // the bytes as they are (plain tar, zero-filled frames)
  kGzipStart,  // a gzip member begins at in_offset: decode from scratch
  kIsalState,  // resume ISA-L's inflate from a saved state
  kZstdFrame,  // one or more whole zstd frames
};

using Sha256Digest = std::array<std::byte, 32>;

// How a span's bytes are known to be right. XXH3 finds damage to what we have
// verified before; only a cryptographic digest is worth anything against who
// sent the bytes.
enum class SpanCheck : uint8_t {
  kBlocks,      // XXH3-64 of each block: SpanTable::block_checksum()
  kContent,     // SHA-256 of the span's bytes: they are ready all at once
  kCompressed,  // SHA-256 of the in_length bytes that it is decoded from
};

enum class SpanFile : uint8_t {
  kBlob,    // in_offset is in the blob as published
  kFrames,  // in the re-encoded copy beside it ("frames", see first_pass.h)
};

struct Span {
  uint64_t offset = 0;  // of its first byte in the uncompressed tar
  uint64_t length = 0;  // uncompressed bytes, 1 … kMaxSpanBytes
  uint64_t in_offset = 0;
  uint64_t in_length = 0;
  SpanKind kind = SpanKind::kStored;
  SpanFile file = SpanFile::kBlob;
  uint64_t first_block = 0;   // index of its first block checksum
  uint64_t state_offset = 0;  // of its resume state in the table's file
  uint32_t state_length = 0;  // 0: none
  // Decoded bytes between in_offset and the span, which shares its gzip member
  // or zstd frame with what is before it; at most kMaxSpanSkip. What the member
  // or frame has beyond the span is not decoded.
  uint64_t skip = 0;
  SpanCheck check = SpanCheck::kBlocks;
};

class SpanTable {
 public:
  virtual ~SpanTable() = default;

  // Opens a table file. The list of spans is checked at once; each resume
  // state when it is used, against its own SHA-256. A table that holds raw
  // ISA-L states is refused unless the caller or root owns the file and nobody
  // else may write it, and unless they are this IsalBuild()'s (kUnsupported).
  // On kCorrupt and kUnsupported: rebuild it from the blob.
  static Result<std::unique_ptr<SpanTable>> Open(
      const std::filesystem::path& path);

  // Bytes of the whole uncompressed tar; spans tile [0, size()) exactly.
  virtual uint64_t size() const = 0;
  virtual size_t span_count() const = 0;
  virtual Span span(size_t i) const = 0;
  // The span that holds byte `offset`; REQUIRES: offset < size().
  virtual size_t Find(uint64_t offset) const = 0;
  virtual bool needs_frames() const = 0;  // some span has file == kFrames
  // XXH3-64 of block `b` of span i. REQUIRES: its check is kBlocks.
  virtual uint64_t block_checksum(size_t i, size_t b) const = 0;
  // The SHA-256 that span i is checked by, if its check is another one.
  virtual Sha256Digest digest(size_t /*i*/) const { return {}; }
  // The resume state of span i, verified, as it is in the table's file.
  virtual Result<std::string_view> PackedState(size_t i) const = 0;
  // A hint that the state is wanted soon.
  virtual void WillNeed(size_t i) const = 0;
  // The same, decompressed into `to`, which is of GzipStream::Resume().
  Status LoadState(size_t i, std::span<std::byte> to) const;
};

// Decodes one span, forward, in steps.
class SpanDecoder {
 public:
  virtual ~SpanDecoder() = default;

  // `out` is the span's whole buffer (span(i).length bytes); it, the table and
  // the sources outlive the decoder. `frames` may be null unless the span's
  // file is kFrames.
  static Result<std::unique_ptr<SpanDecoder>> Start(const SpanTable& table,
                                                    size_t i, BlobSource& blob,
                                                    BlobSource* frames,
                                                    std::span<std::byte> out);

  // Decodes and verifies until at least `end` bytes of the span stand in the
  // buffer: whole blocks, or the whole span where that is what is checked.
  // kCorrupt when a checksum or the encoding is wrong: what lies beyond ready()
  // is then not to be shown.
  virtual Status DecodeTo(uint64_t end) = 0;
  // Verified bytes at the front of the buffer.
  virtual uint64_t ready() const = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_SPAN_TABLE_H_
