// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/pull_image.h"

#include <fmt/format.h>

#include <algorithm>

#include "fetch/pull/puller.h"
#include "meta/store/layer_store.h"
#include "meta/text/quantities.h"
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

// An image that the cache may not hold is not begun.
Status CheckFits(const NamedImage& named, const Image& image,
                 uint64_t max_bytes) {
  uint64_t bytes = 0;
  for (const Descriptor& layer : image.manifest.layers) {
    if (!named.pull_options.Leaves(layer.digest)) bytes += layer.size;
  }
  if (bytes <= max_bytes) return {};
  return Fail(
      ErrorCode::kNotFound,
      fmt::format("{}: its layers take {}, and the cache may hold {} "
                  "(--cache-max-size)",
                  named.familiar, HumanSize(bytes), HumanSize(max_bytes)));
}

}  // namespace

Status PullImage(NamedImage& named, const ResolvedImage& resolved,
                 PullObserver& observer) {
  // The blobs of an oci:DIR stay where they are.
  const bool is_limited = named.cache_max_bytes && !named.cache.IsReadOnly();
  if (is_limited) {
    IMGMOUNT_CHECK(CheckFits(named, resolved.image, *named.cache_max_bytes));
  }
  IMGMOUNT_CHECK(PullLayers(*named.source, resolved, named.name, named.cache,
                            named.pull_options, observer));
  if (!named.cache_max_bytes) return {};
  // Not the layout of an oci:DIR.
  IMGMOUNT_TRY(const Cache cache, Cache::Open(named.cache.folder()));
  IMGMOUNT_TRY(const Removal removal, KeepBelow(cache, *named.cache_max_bytes,
                                                resolved.published.digest));
  if (named.warn && removal.left_bytes > *named.cache_max_bytes) {
    named.warn(fmt::format(
        "the cache has {}, more than --cache-max-size ({}): "
        "what is in use stays",
        HumanSize(removal.left_bytes), HumanSize(*named.cache_max_bytes)));
  }
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
