// SPDX-License-Identifier: Apache-2.0
#include "meta/base/zoned_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <ctime>

namespace imgmount {
namespace {

constexpr size_t kFractionDigits = 9;

// Takes `digits` digits off the front.
std::optional<int> TakeNumber(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int number = 0;
  const char* const end = text.data() + digits;
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 0) {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return number;
}

bool Take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || one_of.find(text.front()) == std::string_view::npos) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

// The digits behind a point, in nanoseconds.
std::optional<int32_t> TakeFraction(std::string_view& text) {
  const size_t digits =
      std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return std::nullopt;
  int32_t nanoseconds = 0;
  for (size_t i = 0; i < kFractionDigits; ++i) {
    nanoseconds = nanoseconds * 10 + (i < digits ? text[i] - '0' : 0);
  }
  text.remove_prefix(digits);
  return nanoseconds;
}

// "Z" or "+01:30", in seconds.
std::optional<int32_t> TakeZone(std::string_view& text) {
  if (Take(text, "Zz")) return 0;
  const int32_t sign = text.starts_with('-') ? -1 : 1;
  if (!Take(text, "+-")) return std::nullopt;
  const auto hours = TakeNumber(text, 2);
  if (!hours || !Take(text, ":")) return std::nullopt;
  const auto minutes = TakeNumber(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

}  // namespace

ZonedTime ZonedTime::Local(int64_t seconds) {
  const std::time_t time = seconds;
  struct tm local = {};
  ::localtime_r(&time, &local);
  return {seconds, 0, static_cast<int32_t>(local.tm_gmtoff)};
}

std::optional<ZonedTime> ZonedTime::Parse(std::string_view text) {
  const auto year = TakeNumber(text, 4);
  if (!year || !Take(text, "-")) return std::nullopt;
  const auto month = TakeNumber(text, 2);
  if (!month || !Take(text, "-")) return std::nullopt;
  const auto day = TakeNumber(text, 2);
  if (!day || !Take(text, "Tt ")) return std::nullopt;
  const auto hour = TakeNumber(text, 2);
  if (!hour || !Take(text, ":")) return std::nullopt;
  const auto minute = TakeNumber(text, 2);
  if (!minute || !Take(text, ":")) return std::nullopt;
  const auto second = TakeNumber(text, 2);
  if (!second) return std::nullopt;
  std::optional<int32_t> nanoseconds = 0;
  if (Take(text, ".")) nanoseconds = TakeFraction(text);
  const auto zone = TakeZone(text);
  if (!nanoseconds || !zone || !text.empty()) return std::nullopt;

  const auto date = std::chrono::year(*year) / static_cast<unsigned>(*month) /
                    static_cast<unsigned>(*day);
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ZonedTime{days * 86400 + *hour * 3600 + *minute * 60 + *second - *zone,
                   *nanoseconds, *zone};
}

std::string ZonedTime::Text() const {
  const std::chrono::sys_seconds local{std::chrono::seconds(seconds + offset)};
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(local - day);
  std::string text = fmt::format(
      "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      time.hours().count(), time.minutes().count(), time.seconds().count());
  if (nanoseconds != 0) {
    text += fmt::format(".{:09}", nanoseconds);
    text.erase(text.find_last_not_of('0') + 1);
  }
  if (offset == 0) return text + 'Z';
  return text + fmt::format("{}{:02}:{:02}", offset < 0 ? '-' : '+',
                            std::abs(offset) / 3600,
                            std::abs(offset) / 60 % 60);
}

}  // namespace imgmount
