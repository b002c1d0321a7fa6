// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/progress_bar.h"

#include <fmt/format.h>

#include <algorithm>

#include "meta/text/quantities.h"

namespace imgmount {

std::string ProgressBar(uint64_t done, uint64_t total, int columns) {
  constexpr int kMostCells = 50;
  constexpr int kLeastCells = 10;
  constexpr int kColumnsForAll = 110;  // of Docker's bar
  // Columns of a layer's line besides the cells of its bar, at most.
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
