// SPDX-License-Identifier: Apache-2.0
#include "meta/template/escape.h"

#include <fmt/format.h>

#include "meta/template/runes.h"
#include "meta/text/utf8.h"

namespace imgmount::gotmpl {

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\0':
        out += "\xef\xbf\xbd";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string EscapeJs(std::string_view text) {
  constexpr std::string_view kWithBackslash = "\\'\"";
  constexpr std::string_view kByNumber = "<>&=";
  std::string out;
  while (!text.empty()) {
    const Rune rune = FirstRune(text);
    const std::string_view bytes = text.substr(0, rune.bytes);
    text.remove_prefix(rune.bytes);
    if (kWithBackslash.find(bytes) != std::string_view::npos) {
      out += '\\';
      out += bytes;
    } else if (kByNumber.find(bytes) != std::string_view::npos ||
               rune.code < ' ' || (rune.code >= 0x80 && !IsPrint(rune.code))) {
      out += fmt::format("\\u{:04X}", rune.code);
    } else {
      out += bytes;
    }
  }
  return out;
}

std::string EscapeQuery(std::string_view text) {
  constexpr std::string_view kAsItIs =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
  std::string out;
  for (const char c : text) {
    if (kAsItIs.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += c == ' ' ? "+"
                      : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace imgmount::gotmpl
