// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/platforms.h"

#include <utility>

#include "fetch/find/resolve_image.h"
#include "fetch/pull/puller.h"
#include "meta/image/select_image.h"

namespace imgmount {
namespace {

Result<Source::Document> TopDocument(NamedImage& image) {
  if (image.reference && image.pull != PullPolicy::kAlways) {
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
  auto platforms = PlatformsOf(top, ReaderOf(*image.source, image.cache));
  if (!platforms) {
    return Failure(std::move(platforms).error().In(image.familiar));
  }
  if (platforms->empty()) {
    return Fail(ErrorCode::kNotFound,
                image.familiar + ": its index names no platform");
  }
  return platforms;
}

}  // namespace imgmount
