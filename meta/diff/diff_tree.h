// SPDX-License-Identifier: Apache-2.0
// DiffTree: one side of a comparison.
//
// An image's union tree, a directory of this machine, or nothing at all: the
// comparison asks them the same questions. One thread at a time.
#ifndef IMGMOUNT_META_DIFF_DIFF_TREE_H_
#define IMGMOUNT_META_DIFF_DIFF_TREE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/union/union_tree.h"

namespace imgmount {

// Where a file's bytes come from, when that is known: two files with equal
// sources have equal bytes and need not be read.
struct ContentSource {
  std::string_view stream;  // a name for the bytes, as a diff ID; "": unknown
  LayerPosition layer = 0;  // files are read in the order (layer, physical)
  std::vector<Extent> extents;
};

class DiffTree {
 public:
  virtual ~DiffTree() = default;

  virtual Ino root() { return kRootIno; }
  virtual Result<Inode> Get(Ino ino) = 0;
  // Sorted by name, bytewise; the names live as long as the tree.
  virtual Result<std::vector<DirEntry>> Children(Ino directory) = 0;
  virtual Result<std::string> SymlinkTarget(Ino ino) = 0;
  virtual Result<std::vector<Xattr>> Xattrs(Ino ino) = 0;  // sorted by name
  virtual Result<ContentSource> Source(Ino ino) = 0;
  // Fills `out` from `offset` of a regular file; short only at its end.
  virtual Result<size_t> Read(Ino ino, uint64_t offset,
                              std::span<std::byte> out) = 0;
};

// An image without layers: a root directory that nobody lists.
std::unique_ptr<DiffTree> MakeEmptyTree();

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_DIFF_TREE_H_
