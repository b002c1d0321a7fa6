// SPDX-License-Identifier: Apache-2.0
// Sizes and durations as people write them.
#ifndef IMGMOUNT_META_CLI_QUANTITIES_H_
#define IMGMOUNT_META_CLI_QUANTITIES_H_

#include <cstdint>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

// "20G", "1.5GB" (powers of 1000, as sizes are printed), "512MiB" (of 1024),
// "1000" (bytes). kUsage for anything else.
Result<uint64_t> ParseSize(std::string_view text);

// "30d", "12h", "2w", "1d12h", "90s", "45m", "0": in seconds. kUsage for
// anything else.
Result<int64_t> ParseDuration(std::string_view text);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_QUANTITIES_H_
