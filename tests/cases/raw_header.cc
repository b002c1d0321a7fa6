// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "tests/cases/cases.h"

namespace imgmount::testing {

std::string RawHeader::Block() const {
  std::string block(512, '\0');
  const auto put = [&](size_t at, size_t most, const std::string& text) {
    std::copy_n(text.begin(), std::min(most, text.size()),
                block.begin() + static_cast<ptrdiff_t>(at));
  };
  put(0, 100, name);
  put(100, 8, mode);
  put(108, 8, uid);
  put(116, 8, gid);
  put(124, 12, size);
  put(136, 12, mtime);
  put(148, 8, "        ");
  block[156] = type;
  put(157, 100, link);
  put(257, 8, magic);
  put(329, 8, major);
  put(337, 8, minor);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return block;
}

std::string Base256(__int128 value, size_t bytes) {
  std::string field(bytes, '\0');
  for (size_t i = bytes; i-- > 0;) {
    field[i] = static_cast<char>(value & 0xff);
    value >>= 8;
  }
  field[0] = static_cast<char>(field[0] | '\x80');
  return field;
}

std::string Padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512, '\0');
  return data;
}

}  // namespace imgmount::testing
