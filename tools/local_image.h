// SPDX-License-Identifier: Apache-2.0
// LocalImage: an image that a tool looks into, with its layers in the cache.
#ifndef IMGMOUNT_TOOLS_LOCAL_IMAGE_H_
#define IMGMOUNT_TOOLS_LOCAL_IMAGE_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "fetch/find/fetch_config.h"
#include "fetch/lazy/lazy_layers.h"
#include "fetch/progress/pull_progress.h"
#include "fetch/range/range_fetcher.h"
#include "meta/base/result.h"
#include "meta/image/image.h"
#include "meta/image/layer_suffix.h"
#include "meta/image/platform.h"
#include "meta/store/cache.h"
#include "meta/store/layer_provider.h"
#include "meta/store/use_lock.h"

namespace imgmount {

struct LocalImage {
  Cache cache;
  Platform platform;  // that was asked for
  Image image;
  UseLock in_use;                               // keeps the blobs in the cache
  std::shared_ptr<const LayerProvider> layers;  // all of them
  std::shared_ptr<const LazyLayers> lazy;  // the same, or null: all is here
  std::optional<size_t> layer;             // that was asked for
  size_t layer_count;  // of the image as of that layer, or as a whole
};

// Finds the image and pulls what is missing of it, showing `progress`. No
// connection to a registry is left.
Result<LocalImage> OpenLocalImage(const LayerSuffix& name,
                                  const FetchConfig& config,
                                  const ProgressFactory& progress);

// The same, but what can be shown before its bytes are here is not pulled: they
// come when they are read, over connections that whoever reads first makes.
Result<LocalImage> OpenLazily(const LayerSuffix& name,
                              const FetchConfig& config,
                              const ProgressFactory& progress,
                              const RangeFetcherOptions& options);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_LOCAL_IMAGE_H_
