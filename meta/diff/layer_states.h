// SPDX-License-Identifier: Apache-2.0
// The states of an image: how it looked as of each of its layers.
//
// Layer indexes are loaded and trees merged when asked for. The tree files are
// scratch and lose their names at once, so they end with the process, and an
// image of many layers does not fill the cache. One thread at a time.
#ifndef IMGMOUNT_META_DIFF_LAYER_STATES_H_
#define IMGMOUNT_META_DIFF_LAYER_STATES_H_

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/store/layer_provider.h"
#include "meta/tar/layer_index.h"
#include "meta/union/union_tree.h"

namespace imgmount {

class LayerStates {
 public:
  // The states of the first `layer_count` layers; `layers` outlives them.
  // `scratch` is a folder that exists.
  LayerStates(const LayerProvider& layers, size_t layer_count,
              std::filesystem::path scratch);

  size_t layer_count() const { return layer_count_; }
  // Lives as long as this, or until DropIndexes().
  Result<const LayerIndex*> Index(size_t layer);
  // The first `layers` layers merged, 1 … layer_count(). Lives until dropped.
  Result<const UnionTree*> AsOf(size_t layers);
  void Drop(size_t layers) { trees_.erase(layers); }
  // A layer's own entries, with its whiteouts shown: see MergeOptions. A hard
  // link to a file of a lower layer is that file.
  Result<std::unique_ptr<UnionTree>> Alone(size_t layer);
  // Frees what Index() loaded; it is loaded again when asked for.
  void DropIndexes() { indexes_.clear(); }

  // The layer above the first `below` ones that made `path` ("/etc/motd") go
  // away; nullopt when it was not there as of them, or is there at the end.
  Result<std::optional<LayerPosition>> WhoDeleted(std::string_view path,
                                                  size_t below);

 private:
  Result<std::unique_ptr<UnionTree>> MergeScratch(
      const std::vector<const LayerIndex*>& stack, const MergeOptions& options);

  const LayerProvider& layers_;
  size_t layer_count_;
  std::filesystem::path scratch_;
  std::map<size_t, LayerIndex> indexes_;
  std::map<size_t, std::unique_ptr<UnionTree>> trees_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_LAYER_STATES_H_
