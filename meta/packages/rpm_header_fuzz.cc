// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a package's header in rpm's database.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "meta/packages/rpm_database.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto package =
      imgmount::ParseRpmHeader({reinterpret_cast<const char*>(data), size});
  if (!package && package.error().code() != imgmount::ErrorCode::kCorrupt) {
    std::abort();
  }
  if (package && *package && (*package)->name.empty()) std::abort();
  return 0;
}
