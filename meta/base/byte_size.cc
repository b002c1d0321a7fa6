// SPDX-License-Identifier: Apache-2.0
#include "meta/base/byte_size.h"

#include <fmt/format.h>

#include <array>

namespace imgmount {

std::string FormatByteSize(uint64_t bytes, int digits) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 1000 && unit + 1 < kUnits.size()) {
    size /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}g}{}", size, digits, kUnits[unit]);
}

}  // namespace imgmount
