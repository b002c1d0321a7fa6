// SPDX-License-Identifier: Apache-2.0
// Text as Go sees it: runes, their cases, and quotes around them.
#ifndef IMGMOUNT_META_TEMPLATE_RUNES_H_
#define IMGMOUNT_META_TEMPLATE_RUNES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace imgmount::gotmpl {

size_t CountRunes(std::string_view text);
std::string_view FirstRunes(std::string_view text, size_t count);

// In UTF-8; kReplacement for what is no code point.
std::string Utf8(uint32_t rune);

// Letters, marks, numbers, punctuation, symbols, and the space of ASCII.
bool IsPrint(uint32_t rune);

// strings.ToUpper, ToLower and Title: rune by rune.
std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);
std::string ToTitle(std::string_view text);

// A Go constant: "a\tb", 'a'. With `ascii` all else is escaped.
std::string QuoteText(std::string_view text, bool ascii = false);
std::string QuoteRune(uint32_t rune, bool ascii = false);
// Whether `…` around it needs no escapes.
bool CanBackquote(std::string_view text);

}  // namespace imgmount::gotmpl

#endif  // IMGMOUNT_META_TEMPLATE_RUNES_H_
