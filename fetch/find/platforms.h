// SPDX-License-Identifier: Apache-2.0
// Which platforms an image is there for.
#ifndef IMGMOUNT_FETCH_FIND_PLATFORMS_H_
#define IMGMOUNT_FETCH_FIND_PLATFORMS_H_

#include <vector>

#include "fetch/find/named_image.h"
#include "meta/base/result.h"
#include "meta/image/platform.h"

namespace imgmount {

// Those of the index that the name stands for, in its order; of an image
// without an index the one that its config tells. From the cache when it is
// there, else from the source.
Result<std::vector<Platform>> PlatformsOf(NamedImage& image);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_PLATFORMS_H_
