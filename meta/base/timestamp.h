// SPDX-License-Identifier: Apache-2.0
// Timestamp: a point in time, to the nanosecond, as files have them.
#ifndef IMGMOUNT_META_BASE_TIMESTAMP_H_
#define IMGMOUNT_META_BASE_TIMESTAMP_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace imgmount {

struct Timestamp {
  int64_t seconds = 0;       // since the epoch; may be negative
  uint32_t nanoseconds = 0;  // 0 … 999,999,999, always forward
  bool operator==(const Timestamp&) const = default;
};

// "2024-01-02T03:04:05.678+01:00"; digits beyond nanoseconds are cut.
std::optional<Timestamp> ParseRfc3339(std::string_view text);

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_TIMESTAMP_H_
