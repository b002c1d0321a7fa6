// SPDX-License-Identifier: Apache-2.0
// libFuzzer: a list of program starts that is taken is one that we would write.
//
// The checksum is made right first, so that the fuzzer gets behind it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "meta/base/xxh3.h"
#include "meta/store/access_profile_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kChecksumAt = 16;
  constexpr size_t kBodyAt = 24;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size >= kBodyAt) {
    const uint64_t checksum = XXH3_64bits(data + kBodyAt, size - kBodyAt);
    std::memcpy(bytes.data() + kChecksumAt, &checksum, sizeof checksum);
  }
  const auto profiles =
      imgmount::ParseProfiles(std::as_bytes(std::span(bytes)), "");
  if (profiles && imgmount::FormatProfiles(*profiles, "") != bytes)
    std::abort();
  return 0;
}
