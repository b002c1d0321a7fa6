#include "fetch/progress/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace imgmount {

std::string HumanSize(uint64_t bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 1000 && unit + 1 < kUnits.size()) {
    size /= 1000;
    ++unit;
  }
  return fmt::format("{:.4g}{}", size, kUnits[unit]);
}

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
