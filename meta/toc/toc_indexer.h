// SPDX-License-Identifier: Apache-2.0
// TocIndexer: from a TOC's entries to what a mount needs of a layer.
//
// The chunks' contents, one after the other in the TOC's order, are the
// layer's bytes here: extents of the index lie in them, and each chunk is a
// span. Holes (chunks of type "zeros") take no room. Everything is checked:
// chunks must make up their file without gap or overlap, follow each other in
// the blob, and have a SHA-256.
#ifndef IMGMOUNT_META_TOC_TOC_INDEXER_H_
#define IMGMOUNT_META_TOC_TOC_INDEXER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/layer/span_table.h"
#include "meta/tar/index_builder.h"
#include "meta/tar/layer_index.h"
#include "meta/toc/toc_json.h"

namespace imgmount {

struct TocChunk {
  uint64_t offset = 0;  // in the concatenation of all chunks
  uint64_t length = 0;  // 1 … kMaxSpanBytes
  // A gzip member or zstd frame starts at in_offset; the chunk is what it
  // gives after `skip` bytes, at most kMaxSpanSkip. in_length is enough to
  // decode it.
  uint64_t in_offset = 0;
  uint64_t in_length = 0;
  uint64_t skip = 0;
  Sha256Digest sha256 = {};  // of the chunk's content
};

struct Toc {
  LayerIndex index;
  std::vector<TocChunk> chunks;
  // The layer's maker wants [0, prefetch_end) of the blob read ahead. A hint.
  uint64_t prefetch_end = 0;
};

// The bytes of a SHA-256. REQUIRES: it is one.
Sha256Digest Sha256Bytes(const Digest& digest);

class TocIndexer {
 public:
  // Chunks lie before `data_end` in the blob. kUnsupported where index and
  // chunks take more memory than `memory_limit`.
  TocIndexer(uint64_t data_end, uint64_t memory_limit)
      : data_end_(data_end), memory_limit_(memory_limit) {}

  // The next entry. kCorrupt for what cannot be, kUnsupported for what cannot
  // be read by chunks, though the layer may be in order; both name the entry.
  Status Add(const TocEntry& entry);

  // After all entries: a regular file that the TOC does not list. `pieces` give
  // its content, and say all but where they come in the concatenation.
  Status AddFile(LayerEntry file, std::span<const TocChunk> pieces);

  Result<Toc> Finish();

 private:
  Status AddEntry(const TocEntry& entry);
  Status AddChunk(const TocEntry& entry);
  Status AddData(const TocEntry& entry, uint64_t length);
  Status PlaceChunk(const TocEntry& entry, uint64_t length);
  void Append(TocChunk chunk, uint64_t logical, LayerEntry& file);
  void EndMember(uint64_t end);
  Status EndFile();
  Status AddToIndex(LayerEntry entry);
  Status CheckMemory() const;

  const uint64_t data_end_;
  const uint64_t memory_limit_;
  IndexBuilder index_;
  std::vector<TocChunk> chunks_;
  uint64_t size_ = 0;  // of all chunks' contents
  uint64_t prefetch_end_ = 0;

  // The regular file whose chunks are coming.
  std::optional<LayerEntry> file_;
  std::string file_digest_;
  uint64_t covered_ = 0;     // of the file, by the chunks so far
  uint64_t end_offset_ = 0;  // of its last chunk in the blob; 0: not told

  // The gzip member or zstd frame that the last chunk lies in, if its end is
  // not known yet: what follows tells it.
  std::optional<uint64_t> member_;
  uint64_t member_done_ = 0;  // what it gives up to the last chunk's end
  uint64_t next_member_ = 0;  // where the next may start
  size_t known_ = 0;          // chunks_ before it know their in_length
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_TOC_TOC_INDEXER_H_
