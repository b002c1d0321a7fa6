// SPDX-License-Identifier: Apache-2.0
// From a name to a source and a place in the cache.
#ifndef IMGMOUNT_FETCH_FIND_OPEN_IMAGE_H_
#define IMGMOUNT_FETCH_FIND_OPEN_IMAGE_H_

#include <string>

#include "fetch/find/fetch_config.h"
#include "fetch/find/named_image.h"
#include "meta/base/result.h"

namespace imgmount {

// `image` is a reference, or one with a transport in front, spelled as in
// containers-transports(5): "nginx", "docker://nginx", "oci:DIR[:REF]"; or the
// ID of a cached image (image_id.h).
//
// No request is made, unless the name has no registry and several registries
// are configured for such names: then they are asked in turn who has it, if
// none of their images is in the cache. What config.pull_options.cancel points
// to outlives the result.
Result<NamedImage> OpenImage(const std::string& image,
                             const FetchConfig& config);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_OPEN_IMAGE_H_
