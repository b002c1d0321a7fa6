// SPDX-License-Identifier: Apache-2.0
// The tree file, byte by byte. Little-endian; made by tree_writer.cc, read by
// tree_file.cc.
//
//   [0, 4096)            TreeHeader, zeros, and in the last 8 bytes the
//                        XXH3-64 of the 4088 before, seeded by whose tree it is
//   [4096, +data_bytes)  the sections, each starting at a multiple of 8; this
//                        is what the block checksums cover
//   [.., end of file)    an XXH3-64 for each block of kBlockSize data bytes
//
// Sections:
//   inodes    InodeRecord; record i is inode i + 1. The root comes first, then
//             the children of each directory in a row, directories in the
//             order of a depth-first walk: a walk in readdir order reads the
//             records forward.
//   traits    TraitsRecord; what many inodes have in common, each once
//   dirents   DirentRecord; each directory's in a row, in readdir order
//   by_name   uint32_t; for each directory, beside its dirents, their
//             positions 0 … count-1 sorted by name
//   names     bytes of names, in the order of dirents
//   targets   bytes of symlink targets
//   extents   ExtentRecord; of sparse files only
//   xattrs    distinct sets: uint32_t count, then for each xattr uint32_t name
//             length, uint32_t value length, name, value. Offset 0 holds the
//             empty set.
#ifndef IMGMOUNT_META_UNION_TREE_FORMAT_H_
#define IMGMOUNT_META_UNION_TREE_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace imgmount {

inline constexpr std::array<char, 8> kTreeMagic = {'I', 'M', 'G', 'T',
                                                   'R', 'E', 'E', '\n'};
inline constexpr uint32_t kTreeVersion = 4;
inline constexpr size_t kTreeHeaderBytes = 4096;
inline constexpr size_t kTreeBlockBytes = 64 << 10;

struct TreeSection {
  uint64_t offset;  // in the data
  uint64_t length;  // bytes
};

enum TreeSectionId : size_t {
  kInodes,
  kTraits,
  kDirents,
  kByName,
  kNames,
  kTargets,
  kExtents,
  kXattrs,
  kSectionCount
};

inline constexpr uint32_t kTreeAnyXattrs = 1;  // TreeHeader::flags

struct TreeHeader {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t flags;
  uint64_t data_bytes;
  uint64_t inode_count;
  uint64_t dirent_count;
  uint64_t total_bytes;
  std::array<TreeSection, kSectionCount> sections;
  uint64_t table_checksum;  // XXH3-64 of the block checksums
};

struct InodeRecord {
  // regular: its bytes; symlink: those of its target; directory: the inode
  // number of its parent.
  uint64_t size;
  int64_t mtime_seconds;
  // regular: where its bytes lie in the tar; sparse: its first extent.
  // directory: its first dirent. symlink: its target in targets.
  // device: major << 32 | minor.
  uint64_t data;
  uint32_t mtime_nanoseconds;
  uint32_t nlink;
  uint32_t traits;  // which TraitsRecord
  uint32_t count;   // directory: its dirents; sparse: its extents
};

inline constexpr uint16_t kInodeSparse = 1;  // TraitsRecord::flags

struct TraitsRecord {
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  uint32_t xattrs;  // offset in xattrs
  uint16_t layer;
  uint16_t flags;

  bool operator==(const TraitsRecord&) const = default;
};

// An inode with its traits.
struct FullInodeRecord : InodeRecord, TraitsRecord {};

struct DirentRecord {
  uint32_t ino;
  uint32_t name_offset;
  uint8_t name_length;
  uint8_t type;  // S_IFMT bits >> 12
  uint16_t reserved;
};

struct ExtentRecord {
  uint64_t logical;
  uint64_t length;
  uint64_t physical;
};

static_assert(sizeof(TreeHeader) == 184);
static_assert(sizeof(InodeRecord) == 40);
static_assert(sizeof(TraitsRecord) == 20);
static_assert(sizeof(DirentRecord) == 12);
static_assert(sizeof(ExtentRecord) == 24);
static_assert(std::has_unique_object_representations_v<TreeHeader> &&
              std::has_unique_object_representations_v<InodeRecord> &&
              std::has_unique_object_representations_v<TraitsRecord> &&
              std::has_unique_object_representations_v<DirentRecord> &&
              std::has_unique_object_representations_v<ExtentRecord>);

}  // namespace imgmount

#endif  // IMGMOUNT_META_UNION_TREE_FORMAT_H_
