// SPDX-License-Identifier: Apache-2.0
// JSON values that are valid, and more than anybody needs.
#ifndef IMGMOUNT_TESTS_SUPPORT_HOSTILE_JSON_H_
#define IMGMOUNT_TESTS_SUPPORT_HOSTILE_JSON_H_

#include <string>

#include "meta/image/json.h"

namespace imgmount::testing {

// Nested one level deeper than is allowed.
inline std::string DeepJson() {
  return std::string(kMaxJsonDepth + 1, '[') +
         std::string(kMaxJsonDepth + 1, ']');
}

// An array with one value more than is allowed, in 2 MB.
inline std::string LargeJson() {
  std::string text = "[0";
  text.reserve(2 * kMaxJsonValues + 3);
  for (size_t i = 0; i < kMaxJsonValues; ++i) text += ",0";
  return text + ']';
}

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_HOSTILE_JSON_H_
