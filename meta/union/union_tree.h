// SPDX-License-Identifier: Apache-2.0
// UnionTree: the files of an image as they look mounted, in one mapped file.
//
// Made once per stack of layers by Merge(), then opened in constant time:
// nothing is built at mount. An inode number is a record number; the root is
// 1, 0 is none. Every access is bounds-checked, and every 64 KiB block of the
// file is checked against its checksum the first time it is touched, so that a
// damaged or hostile file gives errors (kCorrupt), never other bytes.
//
// Immutable and thread-safe; views live as long as the tree.
//
// Rules of the union: OCI image-spec layer.md; where it is silent, what
// overlayfs shows. ARCHITECTURE.md lists them with their sources.
#ifndef IMGMOUNT_META_UNION_UNION_TREE_H_
#define IMGMOUNT_META_UNION_UNION_TREE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/tar/layer_index.h"

namespace imgmount {

// An inode number of a UnionTree, as FUSE and stat(2) show it.
class Ino {
 public:
  constexpr Ino() = default;
  constexpr explicit Ino(uint64_t number) : number_(number) {}
  constexpr uint64_t number() const { return number_; }
  auto operator<=>(const Ino&) const = default;

 private:
  uint64_t number_ = 0;
};
inline constexpr Ino kRootIno{1};

// Position of a layer in its image, bottom first.
using LayerPosition = uint16_t;
// A directory that no layer lists: only made because something lies in it.
inline constexpr LayerPosition kNoLayer = 0xffff;

struct Inode {
  Ino ino;
  uint32_t mode = 0;  // S_IFMT and permissions
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t nlink = 0;  // names visible in the union; directories: 2 + subdirs
  uint64_t size = 0;
  Timestamp mtime;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  // The layer whose tar holds its metadata and its bytes.
  LayerPosition layer = kNoLayer;
  bool has_xattrs = false;
  Ino parent;  // of a directory; the root's is itself
};

struct DirEntry {
  std::string_view name;
  Ino ino;
  uint32_t type = 0;  // S_IFMT bits
};

class UnionTree {
 public:
  virtual ~UnionTree() = default;

  virtual uint64_t inode_count() const = 0;  // inos are 1 … inode_count()
  virtual uint64_t total_bytes() const = 0;  // of distinct regular files
  virtual bool any_xattrs() const = 0;       // false: getxattr can be ENOSYS

  virtual Result<Inode> Get(Ino ino) const = 0;  // kNotFound: no such record
  // kNotFound where the directory has no such name.
  virtual Result<Ino> Lookup(Ino directory, std::string_view name) const = 0;

  // Children in the order of their data (layer, offset), so that reading a
  // tree in readdir order reads layers forward. Positions are 0 … count-1 and
  // stay the same for the life of the file. "." and ".." are not in it.
  virtual Result<uint64_t> EntryCount(Ino directory) const = 0;
  virtual Result<DirEntry> Entry(Ino directory, uint64_t position) const = 0;

  virtual Result<std::string_view> SymlinkTarget(Ino ino) const = 0;
  // Sorted by name.
  virtual Result<std::vector<Xattr>> Xattrs(Ino ino) const = 0;
  // Where a regular file's bytes lie in the tar of layer Get(ino).layer.
  virtual Result<std::vector<Extent>> Extents(Ino ino) const = 0;

  // Resolves a path ("", "etc/passwd") without following symlinks.
  Result<Ino> Resolve(std::string_view path) const;

  // Checks every block now instead of at its first touch.
  virtual Status VerifyAll() const = 0;

  // Opens a tree file that was merged for `subject`; kCorrupt: rebuild it.
  // Constant time.
  static Result<std::unique_ptr<UnionTree>> Open(
      const std::filesystem::path& path, std::string_view subject = {});

  // A line per path, sorted bytewise; for golden files and --dump.
  Result<std::string> Dump() const;
};

struct MergeOptions {
  // Show the last layer alone, with its whiteouts instead of applying them: a
  // whiteout as the character device 0:0 of that name, as overlayfs does, an
  // opaque directory with trusted. and user.overlay.opaque = "y". The layers
  // below serve the hard links into them, and may be empty where
  // MayLinkBelow() says so.
  bool show_whiteouts = false;
  // Whose tree it is (SubjectSeed), for Open() to check.
  std::string subject = {};
};

// Whether hard links of the layer may lead to files of the layers below it.
bool MayLinkBelow(const LayerIndex& layer);

// Merges layers, bottom first, and writes the tree to `path` (atomically).
// Errors name the path and the layer's position.
Status Merge(std::span<const LayerIndex* const> layers,
             const std::filesystem::path& path,
             const MergeOptions& options = {});

}  // namespace imgmount

#endif  // IMGMOUNT_META_UNION_UNION_TREE_H_
