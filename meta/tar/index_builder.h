// SPDX-License-Identifier: Apache-2.0
// IndexBuilder: what may stand in a layer and how it is noted, whoever tells
// it: the layer's own tar, or a table of contents of it (meta/toc).
#ifndef IMGMOUNT_META_TAR_INDEX_BUILDER_H_
#define IMGMOUNT_META_TAR_INDEX_BUILDER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "meta/base/result.h"
#include "meta/tar/layer_index.h"

namespace imgmount {

class IndexBuilder {
 public:
  // Whiteouts and opaque markers are such by name, whatever else is said of
  // them. True if `path`, which is normalised, is one; it is noted then.
  Result<bool> AddMarker(const std::string& path);
  // Any other entry. Its path is normalised, its link target as it was told.
  // kCorrupt or kUnsupported for what no Linux file system could hold.
  Status Add(LayerEntry entry);

  // About how much memory it takes as it grows.
  uint64_t memory_bytes() const {
    return index_.memory_bytes() + hidden_bytes_;
  }
  // The index; the builder is spent.
  LayerIndex Take() { return std::move(index_); }

 private:
  Status AddOrKeep(LayerEntry entry);

  LayerIndex index_;
  // AUFS kept hard-linked files in .wh..wh.plnk, and its layers link to there.
  // The directory is not shown; the first link to a file becomes the file.
  std::map<std::string, LayerEntry> hidden_files_;
  std::map<std::string, std::string> shown_as_;
  uint64_t hidden_bytes_ = 0;  // about the memory of these maps
};

// The memory that the entries of a layer of so many compressed bytes may take.
uint64_t IndexMemoryLimit(uint64_t compressed_size);

// kCorrupt unless `id` is one that a file's owner can have; `what` names it.
Result<uint32_t> CheckOwnerId(std::string_view what, int64_t id);
// kUnsupported for device numbers that Linux does not have.
Status SetDevice(uint64_t major, uint64_t minor, LayerEntry& entry);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TAR_INDEX_BUILDER_H_
