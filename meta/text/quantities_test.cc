// SPDX-License-Identifier: Apache-2.0
#include "meta/text/quantities.h"

#include <gtest/gtest.h>

#include <utility>

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

TEST(HumanSize, HasFourDigits) {
  EXPECT_EQ(HumanSize(0), "0B");
  EXPECT_EQ(HumanSize(999), "999B");
  EXPECT_EQ(HumanSize(1000), "1kB");
  EXPECT_EQ(HumanSize(17'140'000), "17.14MB");
  EXPECT_EQ(HumanSize(88'991'234), "88.99MB");
  EXPECT_EQ(HumanSize(1'234'567'890), "1.235GB");
  EXPECT_EQ(HumanSize(UINT64_MAX), "18.45EB");
}

TEST(HumanDuration, IsWhatGoPrints) {
  EXPECT_EQ(HumanDuration(std::chrono::seconds(5)), "5s");
  EXPECT_EQ(HumanDuration(std::chrono::seconds(65)), "1m5s");
  EXPECT_EQ(HumanDuration(std::chrono::seconds(3600)), "1h0m0s");
}

TEST(QuantitiesTest, ReadsSizes) {
  EXPECT_EQ(ParseSize("0"), 0u);
  EXPECT_EQ(ParseSize("1000"), 1000u);
  EXPECT_EQ(ParseSize("7B"), 7u);
  EXPECT_EQ(ParseSize("20G"), 20'000'000'000u);
  EXPECT_EQ(ParseSize("20gb"), 20'000'000'000u);
  EXPECT_EQ(ParseSize("1.5kB"), 1500u);
  EXPECT_EQ(ParseSize("512MiB"), 512u << 20);
  EXPECT_EQ(ParseSize("2Ki"), 2048u);
}

TEST(QuantitiesTest, RefusesWhatIsNoSize) {
  for (const char* text :
       {"", "G", "-1", "1X", "1GBB", "1 G", "1e9", "nan", "1iB", "9999999P"}) {
    const auto size = ParseSize(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code(), ErrorCode::kUsage);
  }
}

TEST(QuantitiesTest, ReadsDurations) {
  EXPECT_EQ(ParseDuration("30d"), 30 * 86400);
  EXPECT_EQ(ParseDuration("1d12h"), 36 * 3600);
  EXPECT_EQ(ParseDuration("2w"), 14 * 86400);
  EXPECT_EQ(ParseDuration("1.5m"), 90);
  EXPECT_EQ(ParseDuration("0s"), 0);
  EXPECT_EQ(ParseDuration("0"), 0);
}

TEST(QuantitiesTest, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "30", "d", "-1d", "1y", "1d 2h", "1dd"}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(Counted, HasAnSForAllButOne) {
  EXPECT_EQ(Counted(0, "layer"), "0 layers");
  EXPECT_EQ(Counted(1, "layer"), "1 layer");
}

}  // namespace
}  // namespace imgmount
