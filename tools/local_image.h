// SPDX-License-Identifier: Apache-2.0
// LocalImage: an image that a tool looks into, with its layers in the cache.
#ifndef IMGMOUNT_TOOLS_LOCAL_IMAGE_H_
#define IMGMOUNT_TOOLS_LOCAL_IMAGE_H_

#include <cstddef>
#include <memory>
#include <optional>

#include "fetch/find/fetch_config.h"
#include "fetch/progress/pull_progress.h"
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
  std::optional<size_t> layer;                  // that was asked for
  size_t layer_count;  // of the image as of that layer, or as a whole
};

// Finds the image and pulls what is missing of it, showing `progress`. No
// connection to a registry is left.
Result<LocalImage> OpenLocalImage(const LayerSuffix& name,
                                  const FetchConfig& config,
                                  const ProgressFactory& progress);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_LOCAL_IMAGE_H_
