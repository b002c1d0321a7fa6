// SPDX-License-Identifier: Apache-2.0
// Writes the tree file of a stack of layers.
#ifndef IMGMOUNT_META_UNION_TREE_WRITER_H_
#define IMGMOUNT_META_UNION_TREE_WRITER_H_

#include <filesystem>
#include <string_view>

#include "meta/base/result.h"
#include "meta/union/layer_stack.h"

namespace imgmount {

// The same stack and subject give the same bytes.
Status WriteTree(const LayerStack& stack, const std::filesystem::path& path,
                 std::string_view subject);

}  // namespace imgmount

#endif  // IMGMOUNT_META_UNION_TREE_WRITER_H_
