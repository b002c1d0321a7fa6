// SPDX-License-Identifier: Apache-2.0
#include "meta/template/go_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>

namespace imgmount::gotmpl {
namespace {

using Wide = __int128;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kYear1 = -62135596800;  // 0001-01-01, in seconds
constexpr int64_t kMaxYear = 30'000;
constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays = {
    "Sunday",   "Monday", "Tuesday", "Wednesday",
    "Thursday", "Friday", "Saturday"};

int64_t Saturated(Wide number) {
  return static_cast<int64_t>(
      std::clamp<Wide>(number, std::numeric_limits<int64_t>::min(),
                       std::numeric_limits<int64_t>::max()));
}

Wide SinceYear1(const ZonedTime& time) {
  return Wide{time.seconds - kYear1} * kSecond + time.nanoseconds;
}

ZonedTime FromYear1(Wide nanoseconds, int32_t offset) {
  Wide seconds = nanoseconds / kSecond;
  if (nanoseconds % kSecond < 0) --seconds;
  return {Saturated(seconds + kYear1),
          static_cast<int32_t>(nanoseconds - seconds * kSecond), offset};
}

bool IsDigitAt(std::string_view text, size_t i) {
  return i < text.size() && text[i] >= '0' && text[i] <= '9';
}

std::string OffsetText(int32_t offset, bool colon, int parts) {
  const int seconds = std::abs(offset);
  const char* const separator = colon ? ":" : "";
  std::string text =
      fmt::format("{}{:02}", offset < 0 ? '-' : '+', seconds / 3600);
  if (parts > 1) text += fmt::format("{}{:02}", separator, seconds / 60 % 60);
  if (parts > 2) text += fmt::format("{}{:02}", separator, seconds % 60);
  return text;
}

// Writes a time by its layout.
class Layout {
 public:
  Layout(const ZonedTime& time, std::string_view layout)
      : time_(time), local_(LocalOf(time)), rest_(layout) {}

  std::string Run() {
    while (!rest_.empty()) {
      if (Zone() || Fraction() || Element()) continue;
      out_ += rest_.front();
      rest_.remove_prefix(1);
    }
    return std::move(out_);
  }

 private:
  bool Take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  bool Zone() {
    for (const char letter : {'Z', '-'}) {
      for (const auto& [form, colon, parts] : {Form{"07:00:00", true, 3},
                                               {"070000", false, 3},
                                               {"07:00", true, 2},
                                               {"0700", false, 2},
                                               {"07", false, 1}}) {
        if (!Take(std::string(1, letter).append(form))) continue;
        out_ += letter == 'Z' && time_.offset == 0
                    ? "Z"
                    : OffsetText(time_.offset, colon, parts);
        return true;
      }
    }
    return false;
  }

  // ".000" or ",999", with no digit behind.
  bool Fraction() {
    const bool point = rest_.front() == '.' || rest_.front() == ',';
    if (!point || rest_.size() < 2) return false;
    const char digit = rest_[1];
    if (digit != '0' && digit != '9') return false;
    const size_t end =
        std::min(rest_.find_first_not_of(digit, 1), rest_.size());
    if (IsDigitAt(rest_, end)) return false;
    std::string text = fmt::format("{:09}", time_.nanoseconds);
    text.resize(std::min<size_t>(end - 1, 9));
    if (digit == '9') text.erase(text.find_last_not_of('0') + 1);
    if (!text.empty()) out_ += rest_.front() + text;
    rest_.remove_prefix(end);
    return true;
  }

  bool Element() {
    const int hour12 = (local_.hour + 11) % 12 + 1;
    const auto month = static_cast<unsigned>(local_.date.month());
    const auto day = static_cast<unsigned>(local_.date.day());
    const int year = static_cast<int>(local_.date.year());
    const std::string_view weekday = WeekdayName(local_.weekday.c_encoding());
    const auto put = [&](std::string_view form, const auto& value) {
      out_ += fmt::format(fmt::runtime(form), value);
      return true;
    };
    if (Take("January")) return put("{}", MonthName(month));
    if (rest_.starts_with("Jan") && !IsLower(3) && Take("Jan")) {
      return put("{}", MonthName(month).substr(0, 3));
    }
    if (Take("Monday")) return put("{}", weekday);
    if (rest_.starts_with("Mon") && !IsLower(3) && Take("Mon")) {
      return put("{}", weekday.substr(0, 3));
    }
    if (Take("MST")) return put("{}", ZoneName(time_));
    if (Take("002")) return put("{:03}", local_.year_day);
    if (Take("01")) return put("{:02}", month);
    if (Take("02")) return put("{:02}", day);
    if (Take("03")) return put("{:02}", hour12);
    if (Take("04")) return put("{:02}", local_.minute);
    if (Take("05")) return put("{:02}", local_.second);
    if (Take("06")) return put("{:02}", year % 100);
    if (Take("15")) return put("{:02}", local_.hour);
    if (Take("1")) return put("{}", month);
    if (Take("2006")) return put("{:04}", year);
    if (Take("2")) return put("{}", day);
    if (Take("__2")) return put("{:3}", local_.year_day);
    if (Take("_2006")) return put("_{:04}", year);
    if (Take("_2")) return put("{:2}", day);
    if (Take("3")) return put("{}", hour12);
    if (Take("4")) return put("{}", local_.minute);
    if (Take("5")) return put("{}", local_.second);
    if (Take("PM")) return put("{}", local_.hour >= 12 ? "PM" : "AM");
    if (Take("pm")) return put("{}", local_.hour >= 12 ? "pm" : "am");
    return false;
  }

  // "Janitor" is no month.
  bool IsLower(size_t i) const {
    return i < rest_.size() && rest_[i] >= 'a' && rest_[i] <= 'z';
  }

  struct Form {
    std::string_view form;
    bool colon;
    int parts;
  };
  const ZonedTime time_;
  const LocalTime local_;
  std::string_view rest_;
  std::string out_;
};

}  // namespace

std::string DurationText(int64_t nanoseconds) {
  const uint64_t all = nanoseconds < 0 ? 0 - static_cast<uint64_t>(nanoseconds)
                                       : static_cast<uint64_t>(nanoseconds);
  if (all == 0) return "0s";
  // "1.5": what `unit` nanoseconds go into, without zeros at its end.
  const auto decimal = [](uint64_t number, uint64_t unit, int digits) {
    std::string text =
        fmt::format("{}.{:0{}}", number / unit, number % unit, digits);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
  };
  std::string text = nanoseconds < 0 ? "-" : "";
  if (all < 1'000) return text + fmt::format("{}ns", all);
  if (all < 1'000'000) return text + decimal(all, 1'000, 3) + "µs";
  if (all < kSecond) return text + decimal(all, 1'000'000, 6) + "ms";
  const uint64_t minutes = all / kSecond / 60;
  if (minutes >= 60) text += fmt::format("{}h", minutes / 60);
  if (minutes > 0) text += fmt::format("{}m", minutes % 60);
  return text + decimal(all % (60 * kSecond), kSecond, 9) + 's';
}

int64_t TruncateDuration(int64_t nanoseconds, int64_t unit) {
  return unit <= 0 ? nanoseconds : nanoseconds - nanoseconds % unit;
}

int64_t RoundDuration(int64_t nanoseconds, int64_t unit) {
  if (unit <= 0) return nanoseconds;
  const Wide rest = nanoseconds % unit;
  const Wide down = Wide{nanoseconds} - rest;
  const Wide twice = 2 * (rest < 0 ? -rest : rest);
  if (twice < unit) return Saturated(down);
  return Saturated(nanoseconds < 0 ? down - unit : down + unit);
}

LocalTime LocalOf(const ZonedTime& time) {
  using std::chrono::sys_days;
  const std::chrono::sys_seconds local{
      std::chrono::seconds(time.seconds + time.offset)};
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(local - day);
  const auto year_day = day - sys_days(date.year() / std::chrono::January / 1);
  return {date,
          std::chrono::weekday(day),
          static_cast<int>(year_day.count()) + 1,
          static_cast<int>(clock.hours().count()),
          static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count())};
}

std::string_view MonthName(unsigned month) {
  return month >= 1 && month <= kMonths.size() ? kMonths[month - 1] : "?";
}
std::string_view WeekdayName(unsigned weekday) {
  return weekday < kWeekdays.size() ? kWeekdays[weekday] : "?";
}

std::string ZoneName(const ZonedTime& time) {
  if (time.offset == 0) return "UTC";
  const bool whole_hours = time.offset % 3600 == 0;
  return OffsetText(time.offset, /*colon=*/false, whole_hours ? 1 : 2);
}

std::string FormatTime(const ZonedTime& time, std::string_view layout) {
  return Layout(time, layout).Run();
}

ZonedTime AddNanoseconds(const ZonedTime& time, int64_t nanoseconds) {
  return FromYear1(SinceYear1(time) + nanoseconds, time.offset);
}

int64_t NanosecondsBetween(const ZonedTime& from, const ZonedTime& to) {
  return Saturated(SinceYear1(to) - SinceYear1(from));
}

ZonedTime TruncateTime(const ZonedTime& time, int64_t unit) {
  if (unit <= 0) return time;
  const Wide all = SinceYear1(time);
  const Wide rest = (all % unit + unit) % unit;
  return FromYear1(all - rest, time.offset);
}

ZonedTime RoundTime(const ZonedTime& time, int64_t unit) {
  if (unit <= 0) return time;
  const ZonedTime down = TruncateTime(time, unit);
  const Wide rest = SinceYear1(time) - SinceYear1(down);
  return 2 * rest < unit ? down : AddNanoseconds(down, unit);
}

std::optional<ZonedTime> AddDate(const ZonedTime& time, int64_t years,
                                 int64_t months, int64_t days) {
  constexpr int64_t kMost = 10'000'000;
  for (const int64_t count : {years, months, days}) {
    if (count > kMost || count < -kMost) return std::nullopt;
  }
  const LocalTime local = LocalOf(time);
  const int64_t all_months =
      (static_cast<int>(local.date.year()) + years) * 12 +
      static_cast<unsigned>(local.date.month()) - 1 + months;
  const int64_t year =
      all_months >= 0 ? all_months / 12 : (all_months - 11) / 12;
  if (year < -kMaxYear || year > kMaxYear) return std::nullopt;
  const auto first = std::chrono::year(static_cast<int>(year)) /
                     static_cast<int>(all_months - year * 12 + 1) / 1;
  const int64_t day = std::chrono::sys_days(first).time_since_epoch().count() +
                      static_cast<unsigned>(local.date.day()) - 1 + days;
  ZonedTime moved = time;
  moved.seconds = day * 86400 + local.hour * 3600 + local.minute * 60 +
                  local.second - time.offset;
  return moved;
}

}  // namespace imgmount::gotmpl
