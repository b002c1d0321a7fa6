// SPDX-License-Identifier: Apache-2.0
// A directory of this machine as one side of a comparison.
//
// Read as it is asked for, never following symlinks. Inode numbers are given
// out as names are listed and are not those of the file system.
#ifndef IMGMOUNT_META_DIFF_HOST_TREE_H_
#define IMGMOUNT_META_DIFF_HOST_TREE_H_

#include <filesystem>
#include <memory>

#include "meta/diff/diff_tree.h"

namespace imgmount {

// kNotFound, kUsage (no directory) or kIo names the folder.
Result<std::unique_ptr<DiffTree>> OpenHostTree(
    const std::filesystem::path& folder);

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_HOST_TREE_H_
