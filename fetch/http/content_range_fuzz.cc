// SPDX-License-Identifier: Apache-2.0
// libFuzzer: a Content-Range that is taken is one that we would write.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fetch/http/content_range.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using imgmount::ContentRange;
  const auto range =
      ContentRange::Parse({reinterpret_cast<const char*>(data), size});
  if (!range) return 0;
  if (range->first > range->last) std::abort();
  if (range->total && range->last >= *range->total) std::abort();
  const std::string text =
      "bytes " + std::to_string(range->first) + '-' +
      std::to_string(range->last) + '/' +
      (range->total ? std::to_string(*range->total) : std::string("*"));
  if (ContentRange::Parse(text) != range) std::abort();
  return 0;
}
