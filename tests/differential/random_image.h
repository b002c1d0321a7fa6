// SPDX-License-Identifier: Apache-2.0
// Random images, the same for the same seed.
#ifndef IMGMOUNT_TESTS_DIFFERENTIAL_RANDOM_IMAGE_H_
#define IMGMOUNT_TESTS_DIFFERENTIAL_RANDOM_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/differential/layer_spec.h"

namespace imgmount::testing {

inline constexpr size_t kMostRandomLayers = 5;

struct RandomImage {
  std::vector<LayerSpec> layers;  // 1 … kMostRandomLayers
  // Whether an oracle can be asked: see the flavours in random_image.cc.
  bool for_overlay = true;
  bool for_umoci = true;
};

// All its paths lie in `folder`, or in the root if that is empty.
RandomImage MakeRandomImage(uint64_t seed, const std::string& folder);

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_DIFFERENTIAL_RANDOM_IMAGE_H_
