// SPDX-License-Identifier: Apache-2.0
#include "meta/template/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>

namespace imgmount::gotmpl {
namespace {

// Digits of a float64 as "%f", with the largest precision that is allowed.
constexpr size_t kMaxDigits = 400;

template <typename... Format>
std::string ToChars(double number, Format... format) {
  std::string text(kMaxDigits, '\0');
  while (true) {
    const auto done = std::to_chars(text.data(), text.data() + text.size(),
                                    number, format...);
    if (done.ec == std::errc()) {
      text.resize(static_cast<size_t>(done.ptr - text.data()));
      return text;
    }
    text.resize(2 * text.size());
  }
}

bool IsDigitOf(char c, int base) {
  const int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : 99;
  return digit < base;
}

// Takes away underscores, which may stand between digits and behind a prefix.
std::optional<std::string> WithoutUnderscores(std::string_view text, int base,
                                              bool prefixed) {
  std::string digits;
  char before = prefixed ? '0' : '\0';
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      const char after = i + 1 < text.size() ? text[i + 1] : '\0';
      if (!IsDigitOf(before, base) || !IsDigitOf(after, base)) {
        return std::nullopt;
      }
    } else {
      digits += text[i];
    }
    before = text[i];
  }
  return digits;
}

}  // namespace

std::string FloatText(double number, char verb, int precision) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Inf" : "+Inf";
  const bool upper = verb == 'E' || verb == 'G';
  std::string text;
  if (verb == 'f' || verb == 'F') {
    text = precision < 0 ? ToChars(number, std::chars_format::fixed)
                         : ToChars(number, std::chars_format::fixed, precision);
  } else if (verb == 'e' || verb == 'E') {
    text = precision < 0
               ? ToChars(number, std::chars_format::scientific)
               : ToChars(number, std::chars_format::scientific, precision);
  } else if (precision >= 0) {
    text = ToChars(number, std::chars_format::general, precision);
  } else {
    text = ToChars(number, std::chars_format::scientific);
    int exponent = 0;
    const size_t e = text.find('e');
    const size_t digits = e + (text[e + 1] == '+' ? 2 : 1);
    std::from_chars(text.data() + digits, text.data() + text.size(), exponent);
    // Six digits decide, however many there are: 1e+06, but 100000.
    if (exponent >= -4 && exponent < 6) {
      text = ToChars(number, std::chars_format::fixed);
    }
  }
  if (upper) std::replace(text.begin(), text.end(), 'e', 'E');
  return text;
}

std::string FloatJson(double number) {
  const double magnitude = std::fabs(number);
  if (magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21)) {
    std::string text = FloatText(number, 'e', -1);
    // Go cleans up e-09 to e-9.
    const size_t at = text.find("e-0");
    if (at != std::string::npos) text.erase(at + 2, 1);
    return text;
  }
  return FloatText(number, 'f', -1);
}

std::optional<nlohmann::ordered_json> ParseNumber(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  const bool leading_zero = text.size() > 1 && text[0] == '0';
  if (leading_zero) {
    constexpr std::array<std::pair<std::string_view, int>, 3> kPrefixes = {
        {{"xX", 16}, {"oO", 8}, {"bB", 2}}};
    for (const auto& [letters, its_base] : kPrefixes) {
      if (letters.find(text[1]) == std::string_view::npos) continue;
      base = its_base;
      text.remove_prefix(2);
    }
  }
  const bool is_float = text.find_first_of(base == 16 ? ".pP" : ".eEpP") !=
                        std::string_view::npos;
  const bool octal = leading_zero && base == 10 && !is_float;
  const auto digits = WithoutUnderscores(text, base, /*prefixed=*/base != 10);
  if (!digits || digits->empty()) return std::nullopt;
  const char* const begin = digits->data();
  const char* const end = begin + digits->size();
  if (is_float) {
    // A hexadecimal float needs its exponent.
    if (base == 16 && text.find_first_of("pP") == std::string_view::npos) {
      return std::nullopt;
    }
    double number = 0;
    const auto parsed = std::from_chars(
        begin, end, number,
        base == 16 ? std::chars_format::hex : std::chars_format::general);
    const bool known_base = base == 10 || base == 16;
    if (!known_base || parsed.ec != std::errc() || parsed.ptr != end) {
      return std::nullopt;
    }
    return negative ? -number : number;
  }
  uint64_t number = 0;
  const auto parsed = std::from_chars(begin, end, number, octal ? 8 : base);
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (parsed.ec != std::errc() || parsed.ptr != end ||
      number > kMax + (negative ? 1 : 0)) {
    return std::nullopt;
  }
  return static_cast<int64_t>(negative ? 0 - number : number);
}

}  // namespace imgmount::gotmpl
