// SPDX-License-Identifier: Apache-2.0
// A moment and the offset of a time zone, as RFC 3339 and Go's time.Time have
// them. A value.
#ifndef IMGMOUNT_META_BASE_ZONED_TIME_H_
#define IMGMOUNT_META_BASE_ZONED_TIME_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace imgmount {

struct ZonedTime {
  int64_t seconds = 0;      // since the epoch
  int32_t nanoseconds = 0;  // 0 … 999,999,999, always forward
  int32_t offset = 0;       // seconds east of UTC

  // A moment in the time zone of this process (TZ).
  static ZonedTime Local(int64_t seconds);

  // "2024-01-02T03:04:05.678+01:00"; digits behind the ninth of a fraction are
  // read over.
  static std::optional<ZonedTime> Parse(std::string_view text);

  // As Go prints it (time.RFC3339Nano): "2024-01-02T03:04:05.67+01:00", "Z" for
  // an offset of 0.
  std::string Text() const;

  bool operator==(const ZonedTime&) const = default;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_ZONED_TIME_H_
