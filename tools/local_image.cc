// SPDX-License-Identifier: Apache-2.0
#include "tools/local_image.h"

#include <utility>

#include "fetch/find/open_image.h"
#include "fetch/find/pull_image.h"
#include "fetch/find/resolve_image.h"
#include "meta/store/cached_layers.h"

namespace imgmount {

Result<LocalImage> OpenLocalImage(const LayerSuffix& name,
                                  const FetchConfig& config,
                                  const ProgressFactory& progress) {
  IMGMOUNT_TRY(NamedImage named, OpenImage(name.image, config));
  IMGMOUNT_TRY(ResolvedImage resolved, FindOrResolve(named));
  Image& image = resolved.image;
  IMGMOUNT_TRY(const size_t layer_count,
               LayersAsOf(name, image.manifest.layers.size()));
  IMGMOUNT_TRY(UseLock in_use, UseLock::Hold(named.cache, image));
  IMGMOUNT_CHECK(PullMissing(named, resolved, name.image, *progress()));
  auto layers = std::make_shared<CachedLayers>(named.cache, image);
  return LocalImage{std::move(named.cache),
                    std::move(named.platform),
                    std::move(image),
                    std::move(in_use),
                    std::move(layers),
                    name.layer,
                    layer_count};
}

}  // namespace imgmount
