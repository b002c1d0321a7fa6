// SPDX-License-Identifier: Apache-2.0
#include "meta/template/runes.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include "meta/text/utf8.h"

namespace imgmount::gotmpl {
namespace {

bool IsLetterOrDigit(uint32_t rune) {
  const auto category = utf8proc_category(static_cast<int32_t>(rune));
  return (category >= UTF8PROC_CATEGORY_LU &&
          category <= UTF8PROC_CATEGORY_LO) ||
         category == UTF8PROC_CATEGORY_ND;
}

bool IsSpace(uint32_t rune) {
  const auto category = utf8proc_category(static_cast<int32_t>(rune));
  return rune == 0x85 ||
         (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
}

// Between words, as strings.Title has it.
bool IsSeparator(uint32_t rune) {
  if (rune == '_') return false;
  if (rune < 0x80) return !IsLetterOrDigit(rune);
  return !IsLetterOrDigit(rune) && IsSpace(rune);
}

// Unicode's simple mappings leave it as it is.
constexpr uint32_t kSharpS = 0xdf;

template <typename Change>
std::string MapRunes(std::string_view text, Change change) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    out += Utf8(change(rune.code));
    text.remove_prefix(rune.bytes);
  }
  return out;
}

std::string Escaped(uint32_t rune, char quote, bool ascii) {
  constexpr std::string_view kNames = "abfnrtv";
  constexpr std::string_view kControls = "\a\b\f\n\r\t\v";
  if (rune == static_cast<uint32_t>(quote) || rune == '\\') {
    return {'\\', static_cast<char>(rune)};
  }
  if (IsPrint(rune) && (rune < 0x80 || !ascii)) return Utf8(rune);
  if (rune < 0x80) {
    const size_t i = kControls.find(static_cast<char>(rune));
    if (i != std::string_view::npos) return {'\\', kNames[i]};
    return fmt::format("\\x{:02x}", rune);
  }
  return rune < 0x10000 ? fmt::format("\\u{:04x}", rune)
                        : fmt::format("\\U{:08x}", rune);
}

}  // namespace

size_t CountRunes(std::string_view text) {
  size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(FirstRune(text).bytes);
  return count;
}

std::string_view FirstRunes(std::string_view text, size_t count) {
  size_t end = 0;
  for (; count > 0 && end < text.size(); --count) {
    end += FirstRune(text.substr(end)).bytes;
  }
  return text.substr(0, end);
}

std::string Utf8(uint32_t rune) {
  if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) rune = kReplacement;
  utf8proc_uint8_t bytes[4];
  const auto count =
      utf8proc_encode_char(static_cast<utf8proc_int32_t>(rune), bytes);
  return {reinterpret_cast<const char*>(bytes), static_cast<size_t>(count)};
}

bool IsPrint(uint32_t rune) {
  const auto category = utf8proc_category(static_cast<int32_t>(rune));
  return rune == ' ' ||
         (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_SO);
}

std::string ToUpper(std::string_view text) {
  return MapRunes(text, [](uint32_t rune) {
    return rune == kSharpS ? rune
                           : static_cast<uint32_t>(
                                 utf8proc_toupper(static_cast<int32_t>(rune)));
  });
}

std::string ToLower(std::string_view text) {
  return MapRunes(text, [](uint32_t rune) {
    return utf8proc_tolower(static_cast<int32_t>(rune));
  });
}

std::string ToTitle(std::string_view text) {
  uint32_t before = ' ';
  return MapRunes(text, [&](uint32_t rune) {
    const bool begins = IsSeparator(before) && rune != kSharpS;
    before = rune;
    return begins ? static_cast<uint32_t>(
                        utf8proc_totitle(static_cast<int32_t>(rune)))
                  : rune;
  });
}

std::string QuoteText(std::string_view text, bool ascii) {
  std::string out = "\"";
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    out += rune.valid ? Escaped(rune.code, '"', ascii)
                      : fmt::format("\\x{:02x}",
                                    static_cast<unsigned char>(text.front()));
    text.remove_prefix(rune.bytes);
  }
  return out + '"';
}

std::string QuoteRune(uint32_t rune, bool ascii) {
  if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) rune = kReplacement;
  return '\'' + Escaped(rune, '\'', ascii) + '\'';
}

bool CanBackquote(std::string_view text) {
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    const bool control = rune.code < ' ' && rune.code != '\t';
    if (!rune.valid || control || rune.code == '`' || rune.code == 0x7f ||
        rune.code == 0xfeff) {
      return false;
    }
    text.remove_prefix(rune.bytes);
  }
  return true;
}

}  // namespace imgmount::gotmpl
