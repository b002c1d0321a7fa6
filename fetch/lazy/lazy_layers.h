// SPDX-License-Identifier: Apache-2.0
// LazyLayers: the layers of an image of which not all bytes are here.
//
// Each layer is one of these, decided once, when this is made:
//   whole     as CachedLayers has it
//   evicted   an earlier first pass left index and span table; its blob comes
//             back in parts (span_digests.h)
//   by TOC    its own table of contents says what is in it (toc_layer.h)
// Whoever looks into the image knows no difference. Trees that hold what a TOC
// says are filed under a hash of what vouches for it, never under a chain ID:
// a TOC that lies must not be shown as another image's tree.
#ifndef IMGMOUNT_FETCH_LAZY_LAZY_LAYERS_H_
#define IMGMOUNT_FETCH_LAZY_LAZY_LAYERS_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fetch/lazy/lazy_blobs.h"
#include "fetch/lazy/toc_layer.h"
#include "meta/base/digest.h"
#include "meta/base/mutex.h"
#include "meta/image/image.h"
#include "meta/store/cache.h"
#include "meta/store/cached_layers.h"
#include "meta/store/layer_provider.h"

namespace imgmount {

// How one layer can be shown.
enum class LayerState {
  kWhole,
  kEvicted,
  kByToc,    // once its TOC is indexed
  kMissing,  // only by pulling it
};
LayerState StateOf(const Cache& cache, const Descriptor& layer,
                   const DiffId& diff_id);

class LazyLayers : public LayerProvider {
 public:
  // REQUIRES: no layer is kMissing, and those by TOC are indexed.
  LazyLayers(Cache cache, Image image, std::shared_ptr<LazyBlobs> blobs);

  size_t layer_count() const override { return cached_.layer_count(); }
  bool is_lazy() const override { return true; }
  Result<LayerIndex> Index(size_t layer) const override;
  Result<OpenedLayer> Open(size_t layer) const override;
  Result<std::unique_ptr<UnionTree>> Tree(size_t layers) const override;
  std::string TreeKey(size_t layers) const override;
  void WillReread(size_t layer, std::span<const TarRun> runs) const override;

  // Fetches one layer's rest while nobody waits for anything, and completes it.
  // Returns after that, with an error, or with kCancelled once `stopped`
  // answers true. When its TOC turns out to be wrong, which is kCorrupt, its
  // files are EIO from then on.
  Status Fill(size_t layer, const std::function<bool()>& stopped) const;

 private:
  struct Layer {
    LayerState state = LayerState::kWhole;
    std::optional<TocLayer> toc = {};
    // Nothing of it is shown any more.
    std::shared_ptr<std::atomic<bool>> is_wrong =
        std::make_shared<std::atomic<bool>>(false);
  };
  const Descriptor& descriptor(size_t layer) const {
    return image_.manifest.layers[layer];
  }
  bool HasTocs(size_t layers) const;
  Result<OpenedLayer> OpenLazily(size_t layer) const;

  const Cache cache_;
  const Image image_;
  const CachedLayers cached_;
  const std::shared_ptr<LazyBlobs> blobs_;
  std::vector<Layer> layers_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_LAZY_LAZY_LAYERS_H_
