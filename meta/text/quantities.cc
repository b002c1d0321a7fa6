// SPDX-License-Identifier: Apache-2.0
#include "meta/text/quantities.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace imgmount {
namespace {

std::string FormatSize(uint64_t bytes, int digits) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 1000 && unit + 1 < kUnits.size()) {
    size /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}g}{}", size, digits, kUnits[unit]);
}

// Takes a number without a sign off the front; -1 where there is none.
double TakeNumber(std::string_view& text) {
  double number = -1;
  if (text.empty() || text[0] < '0' || text[0] > '9') return -1;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(),
                                      number, std::chars_format::fixed);
  if (parsed.ec != std::errc()) return -1;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  return number;
}

// 0 for what is no unit.
double BytesIn(std::string_view unit) {
  if (unit.empty() || unit == "B" || unit == "b") return 1;
  constexpr std::string_view kPrefixes = "KMGTP";
  const char letter =
      unit[0] >= 'a' ? static_cast<char>(unit[0] - 32) : unit[0];
  const size_t power = kPrefixes.find(letter);
  if (power == std::string_view::npos) return 0;
  unit.remove_prefix(1);
  const bool binary = unit.starts_with('i');
  if (binary) unit.remove_prefix(1);
  if (!unit.empty() && unit != "B" && unit != "b") return 0;
  return std::pow(binary ? 1024.0 : 1000.0, static_cast<double>(power + 1));
}

// 0 for what is no unit.
int64_t SecondsIn(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 60 * 60;
    case 'd':
      return 24 * 60 * 60;
    case 'w':
      return 7 * 24 * 60 * 60;
    default:
      return 0;
  }
}

}  // namespace

std::string ShortSize(uint64_t bytes) { return FormatSize(bytes, 3); }

std::string HumanSize(uint64_t bytes) { return FormatSize(bytes, 4); }

Result<uint64_t> ParseSize(std::string_view text) {
  std::string_view unit = text;
  const double number = TakeNumber(unit);
  const double bytes = number * BytesIn(unit);
  if (number < 0 || BytesIn(unit) == 0 || !(bytes < 1e18)) {
    return Fail(ErrorCode::kUsage,
                std::string(text) + ": no size; write 20G, 1.5GB or 512MiB");
  }
  return static_cast<uint64_t>(bytes);
}

std::string HumanDuration(std::chrono::seconds duration) {
  const int64_t seconds = duration.count();
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) {
    return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  }
  return fmt::format("{}h{}m{}s", seconds / 3600, seconds / 60 % 60,
                     seconds % 60);
}

std::string RoughDuration(int64_t seconds) {
  if (seconds < 1) return "Less than a second";
  if (seconds < 60) return Counted(seconds, "second");
  const int64_t minutes = seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return Counted(minutes, "minute");
  const int64_t hours = (seconds + 1800) / 3600;
  if (hours == 1) return "About an hour";
  if (hours < 48) return Counted(hours, "hour");
  if (hours < 24 * 7 * 2) return Counted(hours / 24, "day");
  if (hours < 24 * 30 * 2) return Counted(hours / 24 / 7, "week");
  if (hours < 24 * 365 * 2) return Counted(hours / 24 / 30, "month");
  return Counted(seconds / 3600 / 24 / 365, "year");
}

Result<int64_t> ParseDuration(std::string_view text) {
  if (text == "0") return 0;
  double seconds = text.empty() ? -1 : 0;
  for (std::string_view rest = text; !rest.empty() && seconds >= 0;) {
    const double number = TakeNumber(rest);
    const int64_t unit = rest.empty() ? 0 : SecondsIn(rest[0]);
    if (number < 0 || unit == 0) {
      seconds = -1;
      break;
    }
    seconds += number * static_cast<double>(unit);
    rest.remove_prefix(1);
  }
  if (seconds < 0 || !(seconds < 1e12)) {
    return Fail(ErrorCode::kUsage,
                std::string(text) + ": no duration; write 30d, 12h or 1m30s");
  }
  return static_cast<int64_t>(seconds);
}

std::string Counted(int64_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

}  // namespace imgmount
