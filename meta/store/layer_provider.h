// SPDX-License-Identifier: Apache-2.0
// LayerProvider: the layers of one image, wherever they come from.
//
// Whoever looks into an image asks here, and learns nothing of files, caches or
// registries: see CachedLayers for layers that have been pulled. Layers are
// numbered from the bottom, from 0 on; a number beyond the last is kCorrupt, as
// it comes out of a damaged tree. Thread-safe.
#ifndef IMGMOUNT_META_STORE_LAYER_PROVIDER_H_
#define IMGMOUNT_META_STORE_LAYER_PROVIDER_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "meta/base/result.h"
#include "meta/layer/opened_layer.h"
#include "meta/layer/span_cuts.h"
#include "meta/tar/layer_index.h"
#include "meta/union/union_tree.h"

namespace imgmount {

class LayerProvider {
 public:
  virtual ~LayerProvider() = default;

  virtual size_t layer_count() const = 0;
  // Whether bytes of some layer may have to come over the network.
  virtual bool is_lazy() const { return false; }
  // The entries of a layer's tar. Extents lie in the tar that Open() gives.
  virtual Result<LayerIndex> Index(size_t layer) const = 0;
  // Where the bytes of its files come from; may outlive the provider.
  virtual Result<OpenedLayer> Open(size_t layer) const = 0;
  // The first `layers` layers merged; 0 is an empty tree.
  virtual Result<std::unique_ptr<UnionTree>> Tree(size_t layers) const = 0;
  // A file name for what is kept about that tree's inodes: only trees that are
  // the same have the same.
  virtual std::string TreeKey(size_t layers) const = 0;
  // A hint that these runs of the layer's tar are read again: its spans may
  // begin there for whoever opens it next.
  virtual void WillReread(size_t layer, std::span<const TarRun> runs) const = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_LAYER_PROVIDER_H_
