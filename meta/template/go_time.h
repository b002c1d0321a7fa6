// SPDX-License-Identifier: Apache-2.0
// Times and durations as Go's time package has them.
#ifndef IMGMOUNT_META_TEMPLATE_GO_TIME_H_
#define IMGMOUNT_META_TEMPLATE_GO_TIME_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "meta/base/zoned_time.h"

namespace imgmount::gotmpl {

// As time.Duration prints itself: "1h0m1.5s", "20ms".
std::string DurationText(int64_t nanoseconds);
// To a multiple of `unit`, half away from zero, or towards zero.
int64_t RoundDuration(int64_t nanoseconds, int64_t unit);
int64_t TruncateDuration(int64_t nanoseconds, int64_t unit);

// The calendar and the clock in the time's own zone.
struct LocalTime {
  std::chrono::year_month_day date;
  std::chrono::weekday weekday;
  int year_day;  // from 1
  int hour;
  int minute;
  int second;
};
LocalTime LocalOf(const ZonedTime& time);

std::string_view MonthName(unsigned month);      // 1 … 12
std::string_view WeekdayName(unsigned weekday);  // 0: Sunday
// "UTC", else the offset, as no zone has a name here.
std::string ZoneName(const ZonedTime& time);

// Time.Format: a layout shows how Monday, January 2, 2006, 15:04:05, would be
// written.
std::string FormatTime(const ZonedTime& time, std::string_view layout);

ZonedTime AddNanoseconds(const ZonedTime& time, int64_t nanoseconds);
// Days past the end of a month are in the next one. nullopt for years that no
// calendar here has.
std::optional<ZonedTime> AddDate(const ZonedTime& time, int64_t years,
                                 int64_t months, int64_t days);
// Saturates.
int64_t NanosecondsBetween(const ZonedTime& from, const ZonedTime& to);
// Down to, or to the nearest, multiple of `unit` since the year 1.
ZonedTime TruncateTime(const ZonedTime& time, int64_t unit);
ZonedTime RoundTime(const ZonedTime& time, int64_t unit);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_GO_TIME_H_
