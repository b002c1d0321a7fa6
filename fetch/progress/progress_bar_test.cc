// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/progress_bar.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

TEST(ProgressBar, HasUpToFiftyCellsAsThereIsRoom) {
  EXPECT_EQ(ProgressBar(0, 100, 111),
            "[>" + std::string(50, ' ') + "]       0B/100B");
  EXPECT_EQ(ProgressBar(17'140'000, 88'990'000, 111),
            "[=========>" + std::string(41, ' ') + "]  17.14MB/88.99MB");
  EXPECT_EQ(ProgressBar(100, 100, 111),
            "[" + std::string(50, '=') + ">]     100B/100B");
  EXPECT_EQ(ProgressBar(50, 100, 80), "[" + std::string(14, '=') + ">" +
                                          std::string(14, ' ') +
                                          "]      50B/100B");
  EXPECT_EQ(ProgressBar(50, 100, 61), "     50B/100B");
}

TEST(ProgressBar, LeavesOutATotalThatIsUnknownOrPassed) {
  EXPECT_EQ(ProgressBar(50, 0, 200), "     50B");
  EXPECT_EQ(ProgressBar(500, 100, 200), "    500B");
}

}  // namespace
}  // namespace imgmount
