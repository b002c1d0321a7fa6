// SPDX-License-Identifier: Apache-2.0
#include "meta/text/utf8.h"

#include <utf8proc.h>

namespace imgmount {

Rune FirstRune(std::string_view text) {
  utf8proc_int32_t code = 0;
  const auto bytes =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (bytes <= 0) return {kReplacement, 1, false};
  return {static_cast<uint32_t>(code), static_cast<size_t>(bytes), true};
}

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Rune rune = FirstRune(bytes);
    if (!rune.valid) return false;
    bytes.remove_prefix(rune.bytes);
  }
  return true;
}

}  // namespace imgmount
