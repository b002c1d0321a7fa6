// SPDX-License-Identifier: Apache-2.0
// An image's union tree as one side of a comparison.
#ifndef IMGMOUNT_META_DIFF_UNION_SIDE_H_
#define IMGMOUNT_META_DIFF_UNION_SIDE_H_

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "meta/base/digest.h"
#include "meta/diff/diff_tree.h"

namespace imgmount {

// Reads a regular file's bytes, as DiffTree::Read.
using FileReader =
    std::function<Result<size_t>(Ino, uint64_t, std::span<std::byte>)>;

// `tree` outlives the side. `diff_ids` are those of its layers, bottom first.
// `read` may be empty where nothing will be read.
std::unique_ptr<DiffTree> MakeUnionSide(const UnionTree& tree,
                                        std::vector<DiffId> diff_ids,
                                        FileReader read);

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_UNION_SIDE_H_
