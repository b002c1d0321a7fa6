// SPDX-License-Identifier: Apache-2.0
// UTF-8, one code point at a time.
#ifndef IMGMOUNT_META_TEXT_UTF8_H_
#define IMGMOUNT_META_TEXT_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace imgmount {

inline constexpr uint32_t kReplacement = 0xfffd;

struct Rune {
  uint32_t code;
  size_t bytes;
  bool valid;
};

// The first of a text that is not empty. A byte that is no UTF-8 (Unicode 15,
// table 3-7) is kReplacement, and not valid.
Rune FirstRune(std::string_view text);

bool IsUtf8(std::string_view bytes);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TEXT_UTF8_H_
