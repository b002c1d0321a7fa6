// SPDX-License-Identifier: Apache-2.0
// Sizes, durations and counts: as they are shown, and as people write them.
#ifndef IMGMOUNT_META_TEXT_QUANTITIES_H_
#define IMGMOUNT_META_TEXT_QUANTITIES_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

// "1.23kB", "84MB": three digits, powers of 1000, as Docker lists them
// (docker/go-units).
std::string ShortSize(uint64_t bytes);
// "17.14MB": four digits, as Docker shows progress.
std::string HumanSize(uint64_t bytes);
// "20G", "1.5GB" (powers of 1000, as sizes are printed), "512MiB" (of 1024),
// "1000" (bytes). kUsage for anything else.
Result<uint64_t> ParseSize(std::string_view text);

// "1m5s", as Go's time.Duration has it.
std::string HumanDuration(std::chrono::seconds duration);
// "2 weeks", "About an hour", "Less than a second" (docker/go-units).
std::string RoughDuration(int64_t seconds);
// "30d", "12h", "2w", "1d12h", "90s", "45m", "0": in seconds. kUsage for
// anything else.
Result<int64_t> ParseDuration(std::string_view text);

// "1 second", "2 seconds".
std::string Counted(int64_t count, std::string_view thing);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TEXT_QUANTITIES_H_
