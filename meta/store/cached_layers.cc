// SPDX-License-Identifier: Apache-2.0
#include "meta/store/cached_layers.h"

#include "meta/store/layer_store.h"

namespace imgmount {

Status CachedLayers::CheckNumber(size_t layer) const {
  if (layer < layer_count()) return {};
  return Fail(ErrorCode::kCorrupt, "the image has no such layer");
}

Result<LayerIndex> CachedLayers::Index(size_t layer) const {
  IMGMOUNT_CHECK(CheckNumber(layer));
  return LoadIndex(cache_, image_.manifest.layers[layer],
                   image_.config.diff_ids[layer]);
}

Result<OpenedLayer> CachedLayers::Open(size_t layer) const {
  IMGMOUNT_CHECK(CheckNumber(layer));
  return OpenLayer(cache_, image_.manifest.layers[layer],
                   image_.config.diff_ids[layer]);
}

Result<std::unique_ptr<UnionTree>> CachedLayers::Tree(size_t layers) const {
  return OpenTree(cache_, image_, layers);
}

std::string CachedLayers::TreeKey(size_t layers) const {
  return imgmount::TreeKey(image_, layers);
}

void CachedLayers::WillReread(size_t layer,
                              std::span<const TarRun> runs) const {
  if (layer >= layer_count()) return;
  // It only saves time.
  (void)CutLayer(cache_, image_.manifest.layers[layer].digest, runs);
}

std::filesystem::path ScratchFolder(const Cache& cache) {
  return cache.TreePath("x").parent_path();
}

}  // namespace imgmount
