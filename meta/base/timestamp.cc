// SPDX-License-Identifier: Apache-2.0
#include "meta/base/timestamp.h"

#include <charconv>
#include <chrono>
#include <cstddef>

namespace imgmount {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

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

// "Z" or "+01:30", in seconds.
std::optional<int64_t> TakeZone(std::string_view& text) {
  if (Take(text, "Zz")) return 0;
  const int64_t sign = text.starts_with('-') ? -1 : 1;
  if (!Take(text, "+-")) return std::nullopt;
  const auto hours = TakeNumber(text, 2);
  if (!hours || !Take(text, ":")) return std::nullopt;
  const auto minutes = TakeNumber(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

}  // namespace

std::optional<Timestamp> ParseRfc3339(std::string_view text) {
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
  uint32_t nanoseconds = 0;
  if (Take(text, ".")) {
    size_t digits = 0;
    uint32_t unit = 100'000'000;
    for (; digits < text.size() && IsDigit(text[digits]); ++digits) {
      nanoseconds += static_cast<uint32_t>(text[digits] - '0') * unit;
      unit /= 10;
    }
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
  }
  const auto zone = TakeZone(text);
  if (!zone || !text.empty()) return std::nullopt;

  const auto date = std::chrono::year(*year) / static_cast<unsigned>(*month) /
                    static_cast<unsigned>(*day);
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t minutes = (days * 24 + *hour) * 60 + *minute;
  return Timestamp{minutes * 60 + *second - *zone, nanoseconds};
}

}  // namespace imgmount
