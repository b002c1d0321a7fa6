// Writes the tree file of a stack of layers.
#ifndef IMGMOUNT_META_UNION_TREE_WRITER_H_
#define IMGMOUNT_META_UNION_TREE_WRITER_H_

#include <filesystem>

#include "meta/base/result.h"
#include "meta/union/layer_stack.h"

namespace imgmount {

// The same stack gives the same bytes.
Status WriteTree(const LayerStack& stack, const std::filesystem::path& path);

}  // namespace imgmount

#endif  // IMGMOUNT_META_UNION_TREE_WRITER_H_
