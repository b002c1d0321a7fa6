// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/layer_states.h"

#include <fmt/format.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace imgmount {

LayerStates::LayerStates(const LayerProvider& layers, size_t layer_count,
                         std::filesystem::path scratch)
    : layers_(layers),
      layer_count_(layer_count),
      scratch_(std::move(scratch)) {}

Result<const LayerIndex*> LayerStates::Index(size_t layer) {
  auto it = indexes_.find(layer);
  if (it == indexes_.end()) {
    IMGMOUNT_TRY(LayerIndex index, layers_.Index(layer));
    it = indexes_.emplace(layer, std::move(index)).first;
  }
  return &it->second;
}

Result<std::unique_ptr<UnionTree>> LayerStates::MergeScratch(
    const std::vector<const LayerIndex*>& stack, const MergeOptions& options) {
  const auto path =
      scratch_ / fmt::format("state-{}-{}", ::getpid(), fmt::ptr(this));
  IMGMOUNT_CHECK(Merge(stack, path, options));
  auto tree = UnionTree::Open(path);
  std::error_code ignored;  // the name only; the tree is mapped
  std::filesystem::remove(path, ignored);
  return tree;
}

Result<const UnionTree*> LayerStates::AsOf(size_t layers) {
  auto it = trees_.find(layers);
  if (it == trees_.end()) {
    std::vector<const LayerIndex*> stack;
    for (size_t layer = 0; layer < layers; ++layer) {
      IMGMOUNT_TRY(stack.emplace_back(), Index(layer));
    }
    IMGMOUNT_TRY(auto tree, MergeScratch(stack, {}));
    it = trees_.emplace(layers, std::move(tree)).first;
  }
  return it->second.get();
}

Result<std::unique_ptr<UnionTree>> LayerStates::Alone(size_t layer) {
  static const LayerIndex kNothing{};
  IMGMOUNT_TRY(const LayerIndex* index, Index(layer));
  std::vector<const LayerIndex*> stack(layer, &kNothing);
  if (MayLinkBelow(*index)) {
    for (size_t below = 0; below < layer; ++below) {
      IMGMOUNT_TRY(stack[below], Index(below));
    }
  }
  stack.push_back(index);
  return MergeScratch(stack, {.show_whiteouts = true});
}

Result<std::optional<LayerPosition>> LayerStates::WhoDeleted(
    std::string_view path, size_t below) {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::optional<LayerPosition> by;
  bool was_there = false;
  for (size_t layers = below; layers <= layer_count_; ++layers) {
    if (layers == 0) continue;
    IMGMOUNT_TRY(const UnionTree* tree, AsOf(layers));
    const auto found = tree->Resolve(path);
    if (!found && found.error().code() != ErrorCode::kNotFound) {
      return Failure(found.error());
    }
    const bool is_there = found.has_value();
    if (was_there && !is_there) by = static_cast<LayerPosition>(layers - 1);
    was_there = is_there;
  }
  if (was_there) by.reset();
  return by;
}

}  // namespace imgmount
