// SPDX-License-Identifier: Apache-2.0
// "nginx@3": the image as of its layer 3, as imgmount and imgdiff take it.
//
// Layers count from 0, the bottom one; @0 is the bottom layer alone. A digest
// ("x@sha256:…") is no suffix, and may have one ("x@sha256:…@3"); nor is the
// number of an image in a file ("docker-archive:x.tar:@1@3").
#ifndef IMGMOUNT_META_IMAGE_LAYER_SUFFIX_H_
#define IMGMOUNT_META_IMAGE_LAYER_SUFFIX_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

struct LayerSuffix {
  std::string image;            // the text without the suffix
  std::optional<size_t> layer;  // nullopt: the whole image
};

// Splits off the suffix, if there is one. Does not look at the rest. kUsage
// for a number that no image can have.
Result<LayerSuffix> ParseLayerSuffix(std::string_view text);

// How many layers the suffix leaves of an image that has `layer_count`; what
// OpenTree() wants. kNotFound tells which layers there are.
Result<size_t> LayersAsOf(const LayerSuffix& suffix, size_t layer_count);

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_LAYER_SUFFIX_H_
