// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/printable.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

namespace imgmount {
namespace {

// The length of the well-formed UTF-8 sequence at the front, and its code
// point; 0 where there is none (Unicode 15, table 3-7).
size_t DecodeOne(std::string_view bytes, uint32_t& code_point) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(bytes[i]);
  };
  const uint32_t first = byte(0);
  if (first < 0x80) {
    code_point = first;
    return 1;
  }
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || bytes.size() < length) return 0;
  code_point = first & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code_point = code_point << 6 | (byte(i) & 0x3f);
  }
  const bool overlong = (length == 3 && code_point < 0x800) ||
                        (length == 4 && code_point < 0x10000);
  const bool surrogate = code_point >= 0xd800 && code_point < 0xe000;
  return overlong || surrogate || code_point > 0x10ffff ? 0 : length;
}

}  // namespace

std::string Printable(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    uint32_t code_point = 0;
    size_t length = DecodeOne(bytes, code_point);
    if (length == 0) {
      length = 1;
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[0]));
    } else if (code_point == '\n') {
      text += "\\n";
    } else if (code_point == '\t') {
      text += "\\t";
    } else if (code_point == '\\') {
      text += "\\\\";
    } else if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0)) {
      for (const char c : bytes.substr(0, length)) {
        text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      }
    } else {
      text += bytes.substr(0, length);
    }
    bytes.remove_prefix(length);
  }
  return text;
}

bool IsUtf8(std::string_view bytes) {
  uint32_t code_point = 0;
  while (!bytes.empty()) {
    const size_t length = DecodeOne(bytes, code_point);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace imgmount
