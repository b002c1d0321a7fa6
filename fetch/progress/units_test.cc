// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/units.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

TEST(Units, SizesAreDockers) {
  EXPECT_EQ(HumanSize(0), "0B");
  EXPECT_EQ(HumanSize(999), "999B");
  EXPECT_EQ(HumanSize(1000), "1kB");
  EXPECT_EQ(HumanSize(17'140'000), "17.14MB");
  EXPECT_EQ(HumanSize(88'991'234), "88.99MB");
  EXPECT_EQ(HumanSize(1'234'567'890), "1.235GB");
  EXPECT_EQ(HumanSize(UINT64_MAX), "18.45EB");
}

TEST(Units, DurationsAreGos) {
  EXPECT_EQ(HumanDuration(std::chrono::seconds(5)), "5s");
  EXPECT_EQ(HumanDuration(std::chrono::seconds(65)), "1m5s");
  EXPECT_EQ(HumanDuration(std::chrono::seconds(3600)), "1h0m0s");
}

TEST(Units, TheBarHasUpToFiftyCellsAsThereIsRoom) {
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

TEST(Units, ATotalThatIsUnknownOrPassedIsNotShown) {
  EXPECT_EQ(ProgressBar(50, 0, 200), "     50B");
  EXPECT_EQ(ProgressBar(500, 100, 200), "    500B");
}

}  // namespace
}  // namespace imgmount
