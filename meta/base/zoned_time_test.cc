// SPDX-License-Identifier: Apache-2.0
#include "meta/base/zoned_time.h"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>
#include <utility>

namespace imgmount {
namespace {

// The right column is what Docker Engine 20.10 made of the left in a config.
TEST(ZonedTime, IsPrintedAsGoDoes) {
  const std::pair<const char*, const char*> cases[] = {
      {"2024-02-01T10:03:00.120Z", "2024-02-01T10:03:00.12Z"},
      {"2024-02-01T10:03:00+00:00", "2024-02-01T10:03:00Z"},
      {"2024-02-01T12:03:00.1234567890123+02:00",
       "2024-02-01T12:03:00.123456789+02:00"},
      {"2024-02-01T10:03:00.000Z", "2024-02-01T10:03:00Z"},
      {"2024-02-01T10:03:00.100000000-05:30", "2024-02-01T10:03:00.1-05:30"},
      {"2024-02-01T10:03:00.0001000Z", "2024-02-01T10:03:00.0001Z"},
      {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
  };
  for (const auto& [text, normalized] : cases) {
    const auto time = ZonedTime::Parse(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(time->Text(), normalized);
  }
}

TEST(ZonedTime, HasTheFractionAndTheZone) {
  EXPECT_EQ(ZonedTime::Parse("2024-02-29T14:04:56.5+01:30"),
            (ZonedTime{1709210096, 500'000'000, 5400}));
  EXPECT_EQ(ZonedTime::Parse("1969-12-31T23:59:59.000000001Z"),
            (ZonedTime{-1, 1, 0}));
  EXPECT_EQ(ZonedTime::Parse("yesterday"), std::nullopt);
  EXPECT_EQ(ZonedTime::Parse("2024-02-29T14:04:56.+01:30"), std::nullopt);
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

TEST_F(InZone, OffsetsAreThoseOfLocalTime) {
  Set("UTC0");
  EXPECT_EQ(ZonedTime::Local(1709210096).Text(), "2024-02-29T12:34:56Z");
  EXPECT_EQ(ZonedTime::Local(0).Text(), "1970-01-01T00:00:00Z");
  Set("XXX-1:30");
  EXPECT_EQ(ZonedTime::Local(1709210096).Text(), "2024-02-29T14:04:56+01:30");
  Set("XXX5");
  EXPECT_EQ(ZonedTime::Local(1709210096).Text(), "2024-02-29T07:34:56-05:00");
}

}  // namespace
}  // namespace imgmount
