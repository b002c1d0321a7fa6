// SPDX-License-Identifier: Apache-2.0
// LayerIndex: what one layer's tar says, entry by entry, in the tar's order.
//
// It knows nothing of other layers: whiteouts are entries like any other, and
// applying them is the union's business (meta/union). Paths are bytes, not
// text; normalised: no leading, trailing or doubled slash, no "." or ".."
// component; the root directory is "". A value; immutable once built, and then
// safe to read from any thread.
#ifndef IMGMOUNT_META_LAYER_LAYER_INDEX_H_
#define IMGMOUNT_META_LAYER_LAYER_INDEX_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/tar/layer_entry.h"

namespace imgmount {

// One entry as it lies in a LayerIndex: views that live as long as the index.
// A million of these must fit easily, so rare things are reached by number.
struct EntryView {
  std::string_view path;
  std::string_view link_target;
  EntryType type;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  Timestamp mtime;
  uint64_t size;
  uint32_t device_major;
  uint32_t device_minor;
  std::span<const Extent> extents;
  std::span<const Xattr> xattrs;
};

class LayerIndex {
 public:
  LayerIndex() = default;
  LayerIndex(LayerIndex&&) = default;
  LayerIndex& operator=(LayerIndex&&) = default;

  // kUnsupported past 2^32-2 entries or 4 GiB of names; kCorrupt for an entry
  // that breaks a rule stated above (a path that is not normalised, say).
  Status Add(const LayerEntry& entry);

  size_t size() const { return records_.size(); }
  EntryView entry(size_t i) const;

  // Bytes of file contents the layer adds. Hard links count once, sparse files
  // by their logical size (as archive/tar reports it).
  uint64_t content_bytes() const { return content_bytes_; }
  // Docker's SIZE, its DiffSize: what the sizes of the unpacked files add up
  // to, directories apart. A symlink's size is the length of its target.
  uint64_t diff_size() const { return diff_size_; }

  // About how much memory it takes while it grows.
  uint64_t memory_bytes() const;

  // The derived file: magic, version, checksum, zstd. Load answers kCorrupt
  // for anything but an intact file of this version and `subject` (the layer's
  // digest; SubjectSeed); the caller rebuilds.
  Status Save(const std::filesystem::path& path,
              std::string_view subject = {}) const;
  static Result<LayerIndex> Load(const std::filesystem::path& path,
                                 std::string_view subject = {});
  // The same, in memory.
  std::string Serialize(std::string_view subject = {}) const;
  static Result<LayerIndex> Parse(std::span<const std::byte> bytes,
                                  std::string_view subject = {});

  // A line per entry; for golden files and --dump. Documented in the .cc.
  std::string Dump() const;

 private:
  // Most files have one extent, one of few owners and modes, and no link: a
  // record is small, and what repeats is stored once.
  struct Record {
    int64_t mtime_seconds;
    uint64_t size;
    uint32_t path_offset;  // in bytes_; the link target follows the path
    uint32_t path_length;
    uint32_t link_length;
    uint32_t mtime_nanoseconds;
    uint32_t first_extent;
    uint32_t extent_count;
    uint32_t attributes;  // index into attributes_
    uint32_t unused;
  };
  struct Attributes {
    uint32_t type;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t device_major;
    uint32_t device_minor;
    uint32_t xattr_set;  // index into xattr_sets_; 0 is the empty set
    auto operator<=>(const Attributes&) const = default;
  };

  uint32_t InternXattrs(const std::vector<Xattr>& xattrs);
  void CountBytes(const Record& record);
  Status CheckRecord(const Record& record) const;

  std::vector<Record> records_;
  std::string bytes_;  // paths and link targets
  std::vector<Extent> extents_;
  std::vector<Attributes> attributes_;
  std::vector<std::vector<Xattr>> xattr_sets_{1};
  uint64_t content_bytes_ = 0;
  uint64_t diff_size_ = 0;
  uint64_t xattr_bytes_ = 0;
  // For Add() only: what is stored once, by value and by hash.
  std::map<Attributes, uint32_t> attribute_numbers_;
  std::map<uint64_t, uint32_t> xattr_set_numbers_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_LAYER_INDEX_H_
