// SPDX-License-Identifier: Apache-2.0
#include "meta/base/timestamp.h"

#include <gtest/gtest.h>

#include <utility>

namespace imgmount {
namespace {

TEST(Rfc3339, IsReadInAllItsForms) {
  const std::pair<const char*, Timestamp> cases[] = {
      {"1970-01-01T00:00:00Z", {0, 0}},
      {"2024-02-29T12:34:56Z", {1709210096, 0}},
      {"2024-02-29T12:34:56.789012345Z", {1709210096, 789'012'345}},
      {"2024-02-29T14:04:56+01:30", {1709210096, 0}},
      {"2024-02-29T11:34:56-01:00", {1709210096, 0}},
      {"2024-02-29T12:34:56.5Z", {1709210096, 500'000'000}},
      {"2024-02-29T12:34:56.0000000019Z", {1709210096, 1}},
      {"1969-12-31T23:59:59.25Z", {-1, 250'000'000}},
      {"0001-01-01T00:00:00Z", {-62135596800, 0}},
      {"1969-12-31T23:59:59Z", {-1, 0}},
  };
  for (const auto& [text, time] : cases) {
    EXPECT_EQ(ParseRfc3339(text), time) << text;
  }
}

TEST(Rfc3339, IsNothingElse) {
  for (const char* text :
       {"", "2024", "2024-02-30T00:00:00Z", "2024-02-29T12:34:56",
        "2024-02-29T12:34:56.Z", "2024-02-29T24:00:00Z", "yesterday",
        "2024-02-29T12:34:56Zulu", "2024-02-29T12:34:56+1:00",
        "-024-02-29T12:34:56Z", "2024-+2-29T12:34:56Z"}) {
    EXPECT_EQ(ParseRfc3339(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace imgmount
