// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fetch/http/warning.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  imgmount::ParseWarnings({reinterpret_cast<const char*>(data), size});
  return 0;
}
