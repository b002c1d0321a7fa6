// SPDX-License-Identifier: Apache-2.0
// From a named image to its documents: from the cache or its source, as the
// pull policy says.
#ifndef IMGMOUNT_FETCH_FIND_RESOLVE_IMAGE_H_
#define IMGMOUNT_FETCH_FIND_RESOLVE_IMAGE_H_

#include "fetch/find/named_image.h"
#include "fetch/source/source.h"
#include "meta/base/result.h"

namespace imgmount {

// Manifest and config, as the pull policy says: from the cache when they are
// there, else from the source (at most a few kilobytes; no layer). Where
// the policy is to ask always and the cache has the image, one small request.
// An image that is only there for another platform than was asked for is taken,
// with a warning, as `docker pull` does.
Result<ResolvedImage> FindOrResolve(NamedImage& image);

// The manifest or index that the name stands for, from the source. Where there
// is no such image, a cached one with a similar name is suggested.
Result<Source::Document> FetchTop(NamedImage& image);

// The documents that the source has now: as `docker pull`, a tag may have
// moved.
Result<ResolvedImage> ResolveAnew(NamedImage& image);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_RESOLVE_IMAGE_H_
