// SPDX-License-Identifier: Apache-2.0
#include "meta/text/printable.h"

#include "meta/text/utf8.h"

namespace imgmount {
namespace {

constexpr size_t kMaxQuoted = 200;

void AppendEscaped(std::string_view bytes, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

// `first` is the lowest character that stays.
std::string EscapeBelow(char first, std::string_view bytes) {
  std::string out;
  for (const char& c : bytes) {
    if (c >= first && c <= '~' && c != '\\') {
      out += c;
    } else {
      AppendEscaped({&c, 1}, out);
    }
  }
  return out;
}

// One rune; `bytes` are its own.
void AppendPrintable(const Rune& rune, std::string_view bytes,
                     std::string& out) {
  const bool control =
      rune.code < 0x20 || (rune.code >= 0x7f && rune.code < 0xa0);
  if (!rune.valid || control) {
    AppendEscaped(bytes, out);
  } else {
    out += bytes;
  }
}

}  // namespace

std::string Printable(std::string_view bytes, size_t limit) {
  std::string text;
  while (!bytes.empty()) {
    const Rune rune = FirstRune(bytes);
    const size_t before = text.size();
    if (rune.code == '\n') {
      text += "\\n";
    } else if (rune.code == '\t') {
      text += "\\t";
    } else if (rune.code == '\\') {
      text += "\\\\";
    } else {
      AppendPrintable(rune, bytes.substr(0, rune.bytes), text);
    }
    if (text.size() > limit) {
      text.resize(before);
      return text += "…";
    }
    bytes.remove_prefix(rune.bytes);
  }
  return text;
}

std::string PrintableLines(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const Rune rune = FirstRune(bytes);
    if (rune.code == '\n' || rune.code == '\t') {
      text += bytes.front();
    } else {
      AppendPrintable(rune, bytes.substr(0, rune.bytes), text);
    }
    bytes.remove_prefix(rune.bytes);
  }
  return text;
}

std::string Quoted(std::string_view bytes) {
  return '"' + EscapeBelow(' ', bytes.substr(0, kMaxQuoted)) +
         (bytes.size() > kMaxQuoted ? "...\"" : "\"");
}

std::string EscapeBytes(std::string_view bytes) {
  return EscapeBelow('!', bytes);
}

}  // namespace imgmount
