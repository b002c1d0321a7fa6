// SPDX-License-Identifier: Apache-2.0
#include "meta/template/methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "meta/base/zoned_time.h"
#include "meta/template/go_time.h"

namespace imgmount::gotmpl {
namespace {

using Arguments = std::span<const Value>;

constexpr GoType kMonth{Kind::kInt, "time.Month"};
constexpr GoType kWeekday{Kind::kInt, "time.Weekday"};
constexpr GoType kLocation{Kind::kString, "*time.Location"};

Value Int(int64_t number, const GoType& type = kGoInt) {
  return Value(Json(number), type);
}
Value Int64(int64_t number) { return Int(number, kGoInt64); }
Value Bool(bool value) { return Value(Json(value), kGoBool); }
Value Float(double number) { return Value(Json(number), kGoFloat64); }
Value Duration(int64_t nanoseconds) { return Int(nanoseconds, kGoDuration); }

ZonedTime TimeOf(const Value& value) { return *ZonedTime::Parse(value.text()); }

// Go's int64 wraps.
int64_t Times(int64_t number, int64_t factor) {
  return static_cast<int64_t>(static_cast<uint64_t>(number) *
                              static_cast<uint64_t>(factor));
}

Result<Value> Time(const std::optional<ZonedTime>& time) {
  if (time) {
    std::string text = time->Text();
    if (ZonedTime::Parse(text) == time) {
      return Value(Json(std::move(text)), kGoTime);
    }
  }
  return Fail(ErrorCode::kUsage, "the year is not within 0 to 9999");
}

// Nanoseconds as a fraction of `unit`, in Go's way of adding.
Value Fraction(const Value& duration, int64_t unit) {
  const int64_t whole = duration.integer() / unit;
  const int64_t rest = duration.integer() % unit;
  return Float(static_cast<double>(whole) +
               static_cast<double>(rest) / static_cast<double>(unit));
}

Result<Value> Number(const Value& value, bool as_float) {
  const std::string& text = value.text();
  const char* const end = text.data() + text.size();
  if (as_float) {
    double number = 0;
    if (std::from_chars(text.data(), end, number).ptr == end) {
      return Float(number);
    }
  } else {
    int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) return Int64(number);
  }
  return Fail(ErrorCode::kUsage, fmt::format("cannot take {}", text));
}

int64_t Compare(Arguments args) {
  const int64_t order = NanosecondsBetween(TimeOf(args[1]), TimeOf(args[0]));
  return order > 0 ? 1 : order < 0 ? -1 : 0;
}

struct Method {
  const GoType* receiver;
  std::string_view name;
  Result<Value> (*call)(Arguments);  // the receiver is the first
  std::array<const GoType*, 3> parameters = {};
};

constexpr int64_t kMicrosecond = 1'000;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;

const Method kMethods[] = {
    {&kGoDuration, "Hours",
     [](Arguments a) -> Result<Value> {
       return Fraction(a[0], 3600 * kSecond);
     }},
    {&kGoDuration, "Minutes",
     [](Arguments a) -> Result<Value> { return Fraction(a[0], 60 * kSecond); }},
    {&kGoDuration, "Seconds",
     [](Arguments a) -> Result<Value> { return Fraction(a[0], kSecond); }},
    {&kGoDuration, "Milliseconds",
     [](Arguments a) -> Result<Value> {
       return Int64(a[0].integer() / kMillisecond);
     }},
    {&kGoDuration, "Microseconds",
     [](Arguments a) -> Result<Value> {
       return Int64(a[0].integer() / kMicrosecond);
     }},
    {&kGoDuration, "Nanoseconds",
     [](Arguments a) -> Result<Value> { return Int64(a[0].integer()); }},
    {&kGoDuration, "Abs",
     [](Arguments a) -> Result<Value> {
       constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
       return Duration(std::abs(std::max(a[0].integer(), -kMax)));
     }},
    {&kGoDuration,
     "Round",
     [](Arguments a) -> Result<Value> {
       return Duration(RoundDuration(a[0].integer(), a[1].integer()));
     },
     {&kGoDuration}},
    {&kGoDuration,
     "Truncate",
     [](Arguments a) -> Result<Value> {
       return Duration(TruncateDuration(a[0].integer(), a[1].integer()));
     },
     {&kGoDuration}},

    {&kGoTime, "Year",
     [](Arguments a) -> Result<Value> {
       return Int(static_cast<int>(LocalOf(TimeOf(a[0])).date.year()));
     }},
    {&kGoTime, "Month",
     [](Arguments a) -> Result<Value> {
       return Int(static_cast<unsigned>(LocalOf(TimeOf(a[0])).date.month()),
                  kMonth);
     }},
    {&kGoTime, "Day",
     [](Arguments a) -> Result<Value> {
       return Int(static_cast<unsigned>(LocalOf(TimeOf(a[0])).date.day()));
     }},
    {&kGoTime, "Weekday",
     [](Arguments a) -> Result<Value> {
       return Int(LocalOf(TimeOf(a[0])).weekday.c_encoding(), kWeekday);
     }},
    {&kGoTime, "YearDay",
     [](Arguments a) -> Result<Value> {
       return Int(LocalOf(TimeOf(a[0])).year_day);
     }},
    {&kGoTime, "Hour",
     [](Arguments a) -> Result<Value> {
       return Int(LocalOf(TimeOf(a[0])).hour);
     }},
    {&kGoTime, "Minute",
     [](Arguments a) -> Result<Value> {
       return Int(LocalOf(TimeOf(a[0])).minute);
     }},
    {&kGoTime, "Second",
     [](Arguments a) -> Result<Value> {
       return Int(LocalOf(TimeOf(a[0])).second);
     }},
    {&kGoTime, "Nanosecond",
     [](Arguments a) -> Result<Value> {
       return Int(TimeOf(a[0]).nanoseconds);
     }},
    {&kGoTime, "Unix",
     [](Arguments a) -> Result<Value> { return Int64(TimeOf(a[0]).seconds); }},
    {&kGoTime, "UnixMilli",
     [](Arguments a) -> Result<Value> {
       const ZonedTime time = TimeOf(a[0]);
       return Int64(Times(time.seconds, 1000) +
                    time.nanoseconds / kMillisecond);
     }},
    {&kGoTime, "UnixMicro",
     [](Arguments a) -> Result<Value> {
       const ZonedTime time = TimeOf(a[0]);
       return Int64(Times(time.seconds, 1000'000) +
                    time.nanoseconds / kMicrosecond);
     }},
    {&kGoTime, "UnixNano",
     [](Arguments a) -> Result<Value> {
       const ZonedTime time = TimeOf(a[0]);
       return Int64(Times(time.seconds, kSecond) + time.nanoseconds);
     }},
    {&kGoTime, "IsZero",
     [](Arguments a) -> Result<Value> {
       const ZonedTime zero = *ZonedTime::Parse("0001-01-01T00:00:00Z");
       return Bool(NanosecondsBetween(zero, TimeOf(a[0])) == 0);
     }},
    {&kGoTime, "UTC",
     [](Arguments a) -> Result<Value> {
       ZonedTime time = TimeOf(a[0]);
       time.offset = 0;
       return Time(time);
     }},
    {&kGoTime, "Location",
     [](Arguments a) -> Result<Value> {
       return Value(Json(TimeOf(a[0]).offset == 0 ? "UTC" : ""), kLocation);
     }},
    {&kGoTime,
     "Format",
     [](Arguments a) -> Result<Value> {
       return Value(FormatTime(TimeOf(a[0]), a[1].text()));
     },
     {&kGoString}},
    {&kGoTime,
     "Add",
     [](Arguments a) -> Result<Value> {
       return Time(AddNanoseconds(TimeOf(a[0]), a[1].integer()));
     },
     {&kGoDuration}},
    {&kGoTime,
     "AddDate",
     [](Arguments a) -> Result<Value> {
       return Time(AddDate(TimeOf(a[0]), a[1].integer(), a[2].integer(),
                           a[3].integer()));
     },
     {&kGoInt, &kGoInt, &kGoInt}},
    {&kGoTime,
     "Sub",
     [](Arguments a) -> Result<Value> {
       return Duration(NanosecondsBetween(TimeOf(a[1]), TimeOf(a[0])));
     },
     {&kGoTime}},
    {&kGoTime,
     "Before",
     [](Arguments a) -> Result<Value> { return Bool(Compare(a) < 0); },
     {&kGoTime}},
    {&kGoTime,
     "After",
     [](Arguments a) -> Result<Value> { return Bool(Compare(a) > 0); },
     {&kGoTime}},
    {&kGoTime,
     "Equal",
     [](Arguments a) -> Result<Value> { return Bool(Compare(a) == 0); },
     {&kGoTime}},
    {&kGoTime,
     "Compare",
     [](Arguments a) -> Result<Value> { return Int(Compare(a)); },
     {&kGoTime}},
    {&kGoTime,
     "Truncate",
     [](Arguments a) -> Result<Value> {
       return Time(TruncateTime(TimeOf(a[0]), a[1].integer()));
     },
     {&kGoDuration}},
    {&kGoTime,
     "Round",
     [](Arguments a) -> Result<Value> {
       return Time(RoundTime(TimeOf(a[0]), a[1].integer()));
     },
     {&kGoDuration}},

    {&kGoNumber, "Int64",
     [](Arguments a) { return Number(a[0], /*as_float=*/false); }},
    {&kGoNumber, "Float64",
     [](Arguments a) { return Number(a[0], /*as_float=*/true); }},
};

constexpr std::string_view kString = "String";

const Method* Find(const Value& value, std::string_view name) {
  for (const Method& method : kMethods) {
    if (method.name == name && value.Is(*method.receiver)) return &method;
  }
  return nullptr;
}

// A constant number may stand for any integer.
bool Takes(const GoType& parameter, const Value& argument) {
  return argument.Is(parameter) ||
         (parameter.kind == Kind::kInt && argument.Is(kGoInt));
}

}  // namespace

bool HasMethod(const Value& value, std::string_view name) {
  return Find(value, name) != nullptr ||
         (name == kString && StringMethod(value));
}

Result<Value> CallMethod(const Value& value, std::string_view name,
                         std::span<const Value> arguments) {
  const Method* method = Find(value, name);
  size_t count = 0;
  while (method != nullptr && count < method->parameters.size() &&
         method->parameters[count] != nullptr) {
    ++count;
  }
  if (arguments.size() != count) {
    return Fail(ErrorCode::kUsage, fmt::format("takes exactly {}, got {}",
                                               count, arguments.size()));
  }
  if (method == nullptr) return Value(*StringMethod(value));
  std::vector<Value> all = {value};
  for (size_t i = 0; i < count; ++i) {
    if (!Takes(*method->parameters[i], arguments[i])) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("needs a {}, got {}", method->parameters[i]->name,
                              arguments[i].Description()));
    }
    all.push_back(arguments[i]);
  }
  return method->call(all);
}

std::optional<std::string> StringMethod(const Value& value) {
  if (value.Is(kGoDuration)) return DurationText(value.integer());
  if (value.Is(kGoTime)) {
    return FormatTime(TimeOf(value), "2006-01-02 15:04:05.999999999 -0700 MST");
  }
  if (value.Is(kMonth)) {
    return std::string(MonthName(static_cast<unsigned>(value.integer())));
  }
  if (value.Is(kWeekday)) {
    return std::string(WeekdayName(static_cast<unsigned>(value.integer())));
  }
  if (value.Is(kGoNumber) || value.Is(kLocation)) return value.text();
  return std::nullopt;
}

}  // namespace imgmount::gotmpl
