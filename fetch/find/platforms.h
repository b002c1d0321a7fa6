// SPDX-License-Identifier: Apache-2.0
// The platforms that an image is for.
#ifndef IMGMOUNT_FETCH_FIND_PLATFORMS_H_
#define IMGMOUNT_FETCH_FIND_PLATFORMS_H_

#include <vector>

#include "fetch/find/named_image.h"
#include "meta/base/result.h"
#include "meta/image/platform.h"

namespace imgmount {

// Those in the index that the name stands for, in its order; where there is no
// index, the one in the image's config. From the cache when it is
// there and need not be asked for anew, else from the source.
Result<std::vector<Platform>> PlatformsOf(NamedImage& image);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_PLATFORMS_H_
