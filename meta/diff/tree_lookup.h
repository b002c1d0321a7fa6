// SPDX-License-Identifier: Apache-2.0
// Single files of a tree, by path.
#ifndef IMGMOUNT_META_DIFF_TREE_LOOKUP_H_
#define IMGMOUNT_META_DIFF_TREE_LOOKUP_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "meta/base/result.h"
#include "meta/diff/diff_tree.h"

namespace imgmount {

struct ResolvedPath {
  std::string path;  // without a link in it: "var/lib/dpkg"; "" is the root
  Inode inode;
};

// The inode at `path` ("/var/lib/dpkg"). Symlinks are followed inside the tree,
// at most 40 of them, as a program in the image would; kNotFound where nothing
// is.
Result<ResolvedPath> FollowPath(DiffTree& tree, std::string_view path);
Result<Inode> ResolveIn(DiffTree& tree, std::string_view path);

// All bytes of a regular file; kUnsupported for one of more than `limit`.
Result<std::string> ReadWhole(DiffTree& tree, const Inode& file,
                              uint64_t limit);

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_TREE_LOOKUP_H_
