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
  constexpr int kMostCells = 50;
  constexpr int kLeastCells = 10;
  constexpr int kColumnsForAll = 110;  // of Docker's bar
  // What a layer's line has besides the bar's cells, at most.
  constexpr int kColumnsBesides = 52;
  if (total == 0 || done > total) return fmt::format("{:>8}", HumanSize(done));
  std::string bar;
  const int room = columns > kColumnsForAll
                       ? kMostCells
                       : std::min(columns - kColumnsBesides, kMostCells);
  if (room >= kLeastCells) {
    const auto cells = static_cast<int>(static_cast<double>(done) /
                                        static_cast<double>(total) * room);
    bar = fmt::format("[{:=<{}}>{:<{}}] ", "", cells, "", room - cells);
  }
  return fmt::format("{}{:>8}/{}", bar, HumanSize(done), HumanSize(total));
}

}  // namespace imgmount
