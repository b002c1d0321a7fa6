// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/quantities.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

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

}  // namespace
}  // namespace imgmount
