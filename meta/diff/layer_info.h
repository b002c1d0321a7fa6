// SPDX-License-Identifier: Apache-2.0
// The layers of an image: digest, size, and the step that made each.
#ifndef IMGMOUNT_META_DIFF_LAYER_INFO_H_
#define IMGMOUNT_META_DIFF_LAYER_INFO_H_

#include <cstddef>
#include <string>
#include <vector>

#include "meta/base/digest.h"
#include "meta/image/image.h"

namespace imgmount {

struct LayerInfo {
  size_t number;  // 0 is the bottom layer
  Digest digest;
  DiffId diff_id;
  std::string created_by;  // its line of the history; empty where it has none
};

// Bottom first. History entries that made no layer are passed over.
std::vector<LayerInfo> LayersOf(const Image& image);

// How many layers two images share, from the bottom.
size_t SharedLayers(const std::vector<LayerInfo>& a,
                    const std::vector<LayerInfo>& b);

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_LAYER_INFO_H_
