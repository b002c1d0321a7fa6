// SPDX-License-Identifier: Apache-2.0
#include "tools/local_image.h"

#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "fetch/find/open_image.h"
#include "fetch/find/pull_image.h"
#include "fetch/find/resolve_image.h"
#include "fetch/lazy/lazy_image.h"
#include "meta/store/cached_layers.h"

namespace imgmount {

namespace {

using Pull = std::function<Result<std::shared_ptr<const LazyLayers>>(
    NamedImage&, const ResolvedImage&)>;

Result<LocalImage> Open(const LayerSuffix& name, const FetchConfig& config,
                        const Pull& pull) {
  IMGMOUNT_TRY(NamedImage named, OpenImage(name.image, config));
  IMGMOUNT_TRY(ResolvedImage resolved, FindOrResolve(named));
  Image& image = resolved.image;
  IMGMOUNT_TRY(const size_t layer_count,
               LayersAsOf(name, image.manifest.layers.size()));
  IMGMOUNT_TRY(UseLock in_use, UseLock::Hold(named.cache, image));
  IMGMOUNT_TRY(auto lazy, pull(named, resolved));
  std::shared_ptr<const LayerProvider> layers = lazy;
  if (!layers) layers = std::make_shared<CachedLayers>(named.cache, image);
  return LocalImage{std::move(named.cache),
                    std::move(named.platform),
                    std::move(image),
                    std::move(in_use),
                    std::move(layers),
                    std::move(lazy),
                    name.layer,
                    layer_count};
}

// Opens the image's source anew, as configured, in whatever process and folder;
// nobody sees what it says.
LazyBlobs::OpenSource Reopen(const std::string& name, FetchConfig config) {
  static const CancelFlag never = false;
  config.pull_options.cancel = &never;
  config.listener = nullptr;
  config.warn = {};
  config.cache_folder = std::filesystem::absolute(config.cache_folder);
  FetchEnvironment& environment = config.environment;
  for (std::string* const path :
       {&config.registries_conf, &config.authfile, &environment.registries_conf,
        &environment.registry_auth_file, &environment.docker_config}) {
    if (!path->empty()) *path = std::filesystem::absolute(*path);
  }
  return [name, config]() -> Result<std::shared_ptr<Source>> {
    IMGMOUNT_TRY(NamedImage named, OpenImage(name, config));
    const auto shared = std::make_shared<NamedImage>(std::move(named));
    return std::shared_ptr<Source>(shared, shared->source.get());
  };
}

}  // namespace

Result<LocalImage> OpenLocalImage(const LayerSuffix& name,
                                  const FetchConfig& config,
                                  const ProgressFactory& progress) {
  return Open(
      name, config,
      [&](NamedImage& named, const ResolvedImage& resolved)
          -> Result<std::shared_ptr<const LazyLayers>> {
        IMGMOUNT_CHECK(PullMissing(named, resolved, name.image, *progress()));
        return nullptr;
      });
}

Result<LocalImage> OpenLazily(const LayerSuffix& name,
                              const FetchConfig& config,
                              const ProgressFactory& progress,
                              const RangeFetcherOptions& options) {
  return Open(
      name, config, [&](NamedImage& named, const ResolvedImage& resolved) {
        return PullLazily(named, resolved, name.image,
                          Reopen(named.name, config), options, *progress());
      });
}

}  // namespace imgmount
