// SPDX-License-Identifier: Apache-2.0
#include "meta/template/printf.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "meta/template/lexer.h"

namespace imgmount::gotmpl {
namespace {

constexpr size_t kMaxWidth = 100'000;

struct Spec {
  bool minus = false;
  bool plus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  size_t width = 0;
  std::optional<size_t> precision;
  char verb = '\0';
};

size_t TakeNumber(std::string_view& text) {
  size_t number = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    number = std::min<size_t>(number * 10 + (text.front() - '0'), kMaxWidth);
    text.remove_prefix(1);
  }
  return number;
}

// What follows "%", up to and with the verb; '\0' where there is none.
Spec TakeSpec(std::string_view& text) {
  Spec spec;
  for (; !text.empty(); text.remove_prefix(1)) {
    const char c = text.front();
    if (c == '-') {
      spec.minus = true;
    } else if (c == '+') {
      spec.plus = true;
    } else if (c == '#') {
      spec.sharp = true;
    } else if (c == ' ') {
      spec.space = true;
    } else if (c == '0') {
      spec.zero = true;
    } else {
      break;
    }
  }
  spec.width = TakeNumber(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    spec.precision = TakeNumber(text);
  }
  if (!text.empty()) {
    spec.verb = text.front();
    text.remove_prefix(1);
  }
  return spec;
}

size_t CountCodePoints(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(),
      [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string_view FirstCodePoints(std::string_view text, size_t count) {
  size_t end = 0;
  while (end < text.size()) {
    if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 &&
        count-- == 0) {
      break;
    }
    ++end;
  }
  return text.substr(0, end);
}

std::string Pad(std::string text, const Spec& spec, bool numeric) {
  const size_t length = CountCodePoints(text);
  if (length >= spec.width) return text;
  const size_t fill = spec.width - length;
  if (spec.minus) return text.append(fill, ' ');
  if (spec.zero && numeric) {
    const bool sign = text.starts_with('-') || text.starts_with('+');
    return text.insert(sign ? 1 : 0, fill, '0');
  }
  return text.insert(0, fill, ' ');
}

std::string_view TypeForError(const Value& value) { return value.TypeName(); }

std::string Hex(std::string_view bytes, bool upper) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += upper ? fmt::format("{:02X}", byte) : fmt::format("{:02x}", byte);
  }
  return text;
}

std::optional<std::string> FormatInteger(const Spec& spec, int64_t number) {
  const bool negative = number < 0;
  const uint64_t magnitude =
      negative ? 0 - static_cast<uint64_t>(number) : number;
  std::string digits;
  switch (spec.verb) {
    case 'd':
    case 'v':
      digits = fmt::format("{}", magnitude);
      break;
    case 'x':
      digits =
          fmt::format(fmt::runtime(spec.sharp ? "{:#x}" : "{:x}"), magnitude);
      break;
    case 'X':
      digits =
          fmt::format(fmt::runtime(spec.sharp ? "{:#X}" : "{:X}"), magnitude);
      break;
    case 'o':
      digits = fmt::format("{:o}", magnitude);
      break;
    case 'b':
      digits = fmt::format("{:b}", magnitude);
      break;
    case 'c':
      return magnitude <= 0x10ffff ? Utf8(static_cast<uint32_t>(magnitude))
                                   : Utf8(0xfffd);
    case 'U':
      return fmt::format("U+{:04X}", magnitude);
    default:
      return std::nullopt;
  }
  return (negative ? "-" : spec.plus ? "+" : spec.space ? " " : "") + digits;
}

std::optional<std::string> FormatFloat(const Spec& spec, double number) {
  const int precision = spec.precision ? static_cast<int>(*spec.precision) : -1;
  switch (spec.verb) {
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", number, precision < 0 ? 6 : precision);
    case 'e':
      return fmt::format("{:.{}e}", number, precision < 0 ? 6 : precision);
    case 'g':
    case 'v':
      return precision < 0 ? fmt::format("{:g}", number)
                           : fmt::format("{:.{}g}", number, precision);
    default:
      return std::nullopt;
  }
}

std::optional<std::string> FormatText(const Spec& spec, std::string_view text) {
  if (spec.precision) text = FirstCodePoints(text, *spec.precision);
  switch (spec.verb) {
    case 's':
    case 'v':
      return spec.verb == 'v' && spec.sharp ? GoQuote(text) : std::string(text);
    case 'q':
      return GoQuote(text);
    case 'x':
    case 'X':
      return Hex(text, spec.verb == 'X');
    default:
      return std::nullopt;
  }
}

std::optional<std::string> FormatOne(const Spec& spec, const Value& value) {
  if (value.is_text()) return FormatText(spec, value.text());
  if (value.is_duration() && (spec.verb == 'v' || spec.verb == 's')) {
    return value.Print();
  }
  if (value.is_integer()) {
    return FormatInteger(spec, value.json().get<int64_t>());
  }
  if (value.json().is_number_float()) {
    return FormatFloat(spec, value.json().get<double>());
  }
  if (value.json().is_boolean() && spec.verb != 't' && spec.verb != 'v') {
    return std::nullopt;
  }
  if (value.is_list() && spec.verb != 'v') {
    std::string text = "[";
    for (size_t i = 0; i < value.size(); ++i) {
      auto item = FormatOne(spec, value.element(value.json()[i]));
      if (!item) return std::nullopt;
      text += (i > 0 ? " " : "") + *item;
    }
    return text + ']';
  }
  const bool any = spec.verb == 'v' || spec.verb == 't' ||
                   (spec.verb == 's' && !value.is_nothing());
  if (!any) return std::nullopt;
  return value.Print();
}

}  // namespace

std::string GoQuote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string GoPrintf(std::string_view format, std::span<const Value> values) {
  std::string out;
  size_t next = 0;
  while (!format.empty()) {
    const size_t percent = format.find('%');
    out += format.substr(0, percent);
    if (percent == std::string_view::npos) break;
    format.remove_prefix(percent + 1);
    const Spec spec = TakeSpec(format);
    if (spec.verb == '\0') {
      out += "%!(NOVERB)";
      break;
    }
    if (spec.verb == '%') {
      out += '%';
      continue;
    }
    if (next >= values.size()) {
      out += fmt::format("%!{}(MISSING)", spec.verb);
      continue;
    }
    const Value& value = values[next++];
    const auto text = FormatOne(spec, value);
    if (text) {
      out += Pad(*text, spec,
                 value.is_integer() || value.json().is_number_float());
    } else if (value.is_nothing()) {
      out += fmt::format("%!{}(<nil>)", spec.verb);
    } else {
      out += fmt::format("%!{}({}={})", spec.verb, TypeForError(value),
                         value.Print());
    }
  }
  for (size_t i = next; i < values.size(); ++i) {
    out += fmt::format("{}{}={}", i == next ? "%!(EXTRA " : ", ",
                       TypeForError(values[i]), values[i].Print());
  }
  if (next < values.size()) out += ')';
  return out;
}

}  // namespace imgmount::gotmpl
