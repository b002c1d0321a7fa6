// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/pull_image.h"

#include <algorithm>

#include "fetch/pull/puller.h"
#include "meta/store/layer_store.h"
#include "meta/upkeep/removal.h"

namespace imgmount {
namespace {

// All layers are here, and the cache knows the image by this name.
bool IsComplete(const NamedImage& named, const ResolvedImage& resolved) {
  if (named.reference) {
    const auto known = named.cache.FindName(named.name);
    if (!known || known->digest != resolved.published.digest) return false;
  }
  const auto& layers = resolved.image.manifest.layers;
  return std::all_of(layers.begin(), layers.end(), [&](const Descriptor& it) {
    return named.pull_options.Leaves(it.digest) ||
           (named.cache.HasBlob(it.digest) &&
            HasDerivedFiles(named.cache, it.digest));
  });
}

}  // namespace

Status PullImage(NamedImage& named, const ResolvedImage& resolved,
                 PullObserver& observer) {
  IMGMOUNT_CHECK(PullLayers(*named.source, resolved, named.name, named.cache,
                            named.pull_options, observer));
  if (!named.cache_max_bytes) return {};
  // Not the layout of an oci:DIR.
  IMGMOUNT_TRY(const Cache cache, Cache::Open(named.cache.folder()));
  IMGMOUNT_CHECK(
      KeepBelow(cache, *named.cache_max_bytes, resolved.published.digest));
  return {};
}

Status PullMissing(NamedImage& image, const ResolvedImage& resolved,
                   const std::string& text, PullProgress& progress) {
  if (IsComplete(image, resolved)) return {};
  if (image.reference) {
    progress.Start(text);
    progress.Found(*image.reference);
  }
  SourceListener* const usual = image.source->Listen(&progress);
  auto pulled = PullImage(image, resolved, progress);
  image.source->Listen(usual);
  IMGMOUNT_CHECK(pulled);
  if (image.reference) {
    progress.Finish(resolved.published.digest, image.familiar);
  }
  return {};
}

}  // namespace imgmount
