// SPDX-License-Identifier: Apache-2.0
#include "meta/report/units.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

#include "meta/base/byte_size.h"

namespace imgmount {

std::string ShortSize(uint64_t bytes) { return FormatByteSize(bytes, 3); }

std::string RoughDuration(int64_t seconds) {
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return fmt::format("{} seconds", seconds);
  const int64_t minutes = seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return fmt::format("{} minutes", minutes);
  const int64_t hours = (seconds + 1800) / 3600;
  if (hours == 1) return "About an hour";
  if (hours < 48) return fmt::format("{} hours", hours);
  if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
  if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
  if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
  return fmt::format("{} years", seconds / 3600 / 24 / 365);
}

std::string FormatRfc3339(int64_t seconds) {
  const std::time_t time = seconds;
  struct tm local = {};
  if (::localtime_r(&time, &local) == nullptr) return "";
  std::string text =
      fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", local.tm_year + 1900,
                  local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min,
                  local.tm_sec);
  if (local.tm_gmtoff == 0) return text + 'Z';
  const long offset = std::labs(local.tm_gmtoff);
  return text + fmt::format("{}{:02}:{:02}", local.tm_gmtoff < 0 ? '-' : '+',
                            offset / 3600, offset / 60 % 60);
}

}  // namespace imgmount
