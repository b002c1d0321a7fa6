// SPDX-License-Identifier: Apache-2.0
// CachedLayers: the layers of an image whose blobs are in a cache, by their
// derived files (layer_store.h). The blobs stay there while it is used: see
// UseLock.
#ifndef IMGMOUNT_META_STORE_CACHED_LAYERS_H_
#define IMGMOUNT_META_STORE_CACHED_LAYERS_H_

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "meta/image/image.h"
#include "meta/store/cache.h"
#include "meta/store/layer_provider.h"

namespace imgmount {

class CachedLayers final : public LayerProvider {
 public:
  CachedLayers(Cache cache, Image image)
      : cache_(std::move(cache)), image_(std::move(image)) {}

  size_t layer_count() const override { return image_.manifest.layers.size(); }
  Result<LayerIndex> Index(size_t layer) const override;
  Result<OpenedLayer> Open(size_t layer) const override;
  // Filed under the chain ID.
  Result<std::unique_ptr<UnionTree>> Tree(size_t layers) const override;
  std::string TreeKey(size_t layers) const override;
  void WillReread(size_t layer, std::span<const TarRun> runs) const override;

 private:
  Status CheckNumber(size_t layer) const;

  const Cache cache_;
  const Image image_;
};

// Where trees are made that lose their names as soon as they are open.
std::filesystem::path ScratchFolder(const Cache& cache);

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_CACHED_LAYERS_H_
