// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/units.h"

#include <fmt/format.h>

#include <algorithm>

#include "meta/base/byte_size.h"

namespace imgmount {

std::string HumanSize(uint64_t bytes) { return FormatByteSize(bytes, 4); }

std::string HumanDuration(std::chrono::seconds duration) {
  const int64_t seconds = duration.count();
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) {
    return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  }
  return fmt::format("{}h{}m{}s", seconds / 3600, seconds / 60 % 60,
                     seconds % 60);
}

std::string ProgressBar(uint64_t done, uint64_t total, int columns) {
  constexpr int kCells = 50;
  constexpr int kColumnsForBar = 110;
  if (total == 0 || done > total) return fmt::format("{:>8}", HumanSize(done));
  std::string bar;
  if (columns > kColumnsForBar) {
    const auto cells = static_cast<int>(static_cast<double>(done) /
                                        static_cast<double>(total) * kCells);
    bar = fmt::format("[{:=<{}}>{:<{}}] ", "", cells, "", kCells - cells);
  }
  return fmt::format("{}{:>8}/{}", bar, HumanSize(done), HumanSize(total));
}

}  // namespace imgmount
