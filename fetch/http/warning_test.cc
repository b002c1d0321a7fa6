// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/warning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ParseWarnings, TakesTheTextsForPeople) {
  EXPECT_THAT(ParseWarnings(R"(299 - "moved to \"b\"")"),
              ElementsAre(R"(moved to "b")"));
  EXPECT_THAT(
      ParseWarnings(
          R"(299 - "a", 110 cache:80 "stale" "Sun, 06 Nov 1994 08:49:37 GMT" , 299  -  "b")"),
      ElementsAre("a", "b"));
}

TEST(ParseWarnings, EscapesWhatATerminalWouldObey) {
  EXPECT_THAT(ParseWarnings("299 - \"\x1b[2Jboo\t\xc2\x9b\""),
              ElementsAre("\\x1b[2Jboo\\t\\xc2\\x9b"));
  EXPECT_EQ(ParseWarnings("299 - \"" + std::string(5000, 'x') + '"')[0].size(),
            1000 + std::string("…").size());
}

TEST(ParseWarnings, LeavesTheRest) {
  for (const char* header :
       {"", " ", ",", "299", "299 -", "299 - text", "110 - \"stale\"",
        "299 host \"text\"", "299 - \"\"", "2990 - \"text\"", "\"text\""}) {
    EXPECT_THAT(ParseWarnings(header), IsEmpty()) << header;
  }
  EXPECT_THAT(ParseWarnings(R"(299 - "a" oops 299 - "b")"), ElementsAre("a"));
}

}  // namespace
}  // namespace imgmount
