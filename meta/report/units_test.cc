// SPDX-License-Identifier: Apache-2.0
#include "meta/report/units.h"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>

namespace imgmount {
namespace {

TEST(ShortSize, HasThreeDigitsAsDockerPrintsThem) {
  EXPECT_EQ(ShortSize(0), "0B");
  EXPECT_EQ(ShortSize(5), "5B");
  EXPECT_EQ(ShortSize(999), "999B");
  EXPECT_EQ(ShortSize(1000), "1kB");
  EXPECT_EQ(ShortSize(1234), "1.23kB");
  EXPECT_EQ(ShortSize(83952312), "84MB");
  EXPECT_EQ(ShortSize(999949999), "1e+03MB");
  EXPECT_EQ(ShortSize(1500000000000), "1.5TB");
  EXPECT_EQ(ShortSize(UINT64_MAX), "18.4EB");
}

TEST(RoughDuration, IsWhatDockerSays) {
  constexpr int64_t kHour = 3600;
  constexpr int64_t kDay = 24 * kHour;
  const std::pair<int64_t, const char*> cases[] = {
      {-5, "Less than a second"},
      {0, "Less than a second"},
      {1, "1 second"},
      {59, "59 seconds"},
      {60, "About a minute"},
      {119, "About a minute"},
      {120, "2 minutes"},
      {kHour - 1, "59 minutes"},
      {kHour, "About an hour"},
      {kHour * 3 / 2 - 1, "About an hour"},
      {kHour * 3 / 2, "2 hours"},
      {47 * kHour, "47 hours"},
      {2 * kDay, "2 days"},
      {14 * kDay - kHour, "13 days"},
      {14 * kDay, "2 weeks"},
      {60 * kDay, "2 months"},
      {729 * kDay, "24 months"},
      {730 * kDay, "2 years"},
  };
  for (const auto& [seconds, text] : cases) {
    EXPECT_EQ(RoughDuration(seconds), text) << seconds;
  }
}

class InZone : public testing::Test {
 protected:
  static void Set(const char* zone) {
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  void TearDown() override {
    ::unsetenv("TZ");
    ::tzset();
  }
};

TEST_F(InZone, TimesAreLocal) {
  Set("UTC0");
  EXPECT_EQ(FormatRfc3339(1709210096), "2024-02-29T12:34:56Z");
  EXPECT_EQ(FormatRfc3339(0), "1970-01-01T00:00:00Z");
  Set("XXX-1:30");
  EXPECT_EQ(FormatRfc3339(1709210096), "2024-02-29T14:04:56+01:30");
  Set("XXX5");
  EXPECT_EQ(FormatRfc3339(1709210096), "2024-02-29T07:34:56-05:00");
}

}  // namespace
}  // namespace imgmount
