// SPDX-License-Identifier: Apache-2.0
// A union tree, or a part of it, as one tar.
#ifndef IMGMOUNT_FS_EXPORT_TREE_TAR_H_
#define IMGMOUNT_FS_EXPORT_TREE_TAR_H_

#include <functional>
#include <string>

#include "fs/read/tree_reader.h"
#include "meta/base/result.h"
#include "meta/union/union_tree.h"

namespace imgmount {

// Writes `top`, which lies at `path` of the tree ("" for the root), and all
// below it, in the order of the tree, in which layers are read forward. Names
// are those of the tree: "./" the root, else "etc/motd". Of the names of one
// file the first has its bytes, the others are hard links to it. The same tree
// gives the same bytes.
//
// kCancelled as soon as `stopped` answers true; an error that one file has
// names it.
Status WriteTreeTar(const UnionTree& tree, TreeReader& reader, Ino top,
                    const std::string& path, int fd,
                    const std::function<bool()>& stopped);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_EXPORT_TREE_TAR_H_
