// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/platforms.h"

#include <utility>
#include <variant>

#include "fetch/find/resolve_image.h"

namespace imgmount {
namespace {

Result<Source::Document> TopDocument(NamedImage& image) {
  if (image.reference) {
    const auto known = image.cache.FindName(image.name);
    if (known) {
      auto bytes = image.cache.ReadBlob(known->digest, kMaxManifestBytes);
      if (bytes) {
        return Source::Document{*std::move(bytes), known->media_type,
                                known->digest};
      }
    }
  }
  return FetchTop(image);
}

}  // namespace

Result<std::vector<Platform>> PlatformsOf(NamedImage& image) {
  IMGMOUNT_TRY(const Source::Document top, TopDocument(image));
  IMGMOUNT_TRY(const auto document,
               ParseManifestOrIndex(top.bytes, top.media_type));
  if (const auto* index = std::get_if<Index>(&document)) {
    std::vector<Platform> platforms = PlatformsIn(*index);
    if (platforms.empty()) {
      return Fail(ErrorCode::kNotFound,
                  image.familiar + ": its index names no platform");
    }
    return platforms;
  }
  IMGMOUNT_TRY(const ResolvedImage resolved, FindOrResolve(image));
  return std::vector{resolved.image.config.platform};
}

}  // namespace imgmount
