// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/challenge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Challenge, ReadsDockerHubs) {
  EXPECT_THAT(
      ParseChallenges(
          R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull")"),
      ElementsAre(Challenge{"bearer",
                            {{"realm", "https://auth.docker.io/token"},
                             {"service", "registry.docker.io"},
                             {"scope", "repository:library/nginx:pull"}}}));
}

TEST(Challenge, ReadsSeveralInOneHeader) {
  EXPECT_THAT(
      ParseChallenges(
          R"(Negotiate, Basic realm="a, b" , charset=UTF-8, BEARER Realm = "x")"),
      ElementsAre(Challenge{"negotiate", {}},
                  Challenge{"basic", {{"realm", "a, b"}, {"charset", "UTF-8"}}},
                  Challenge{"bearer", {{"realm", "x"}}}));
}

TEST(Challenge, UndoesEscapesInQuotes) {
  EXPECT_THAT(ParseChallenges(R"(Basic realm="say \"hi\" \\ ")"),
              ElementsAre(Challenge{"basic", {{"realm", "say \"hi\" \\ "}}}));
}

TEST(Challenge, TheFirstOfTwoParametersWins) {
  EXPECT_THAT(ParseChallenges("Bearer realm=a,realm=b"),
              ElementsAre(Challenge{"bearer", {{"realm", "a"}}}));
}

TEST(Challenge, SurvivesNonsense) {
  EXPECT_THAT(ParseChallenges(""), IsEmpty());
  EXPECT_THAT(ParseChallenges(" ,,, "), IsEmpty());
  EXPECT_THAT(ParseChallenges("realm=x"), IsEmpty());
  EXPECT_THAT(ParseChallenges("\"\\"), IsEmpty());
  EXPECT_THAT(ParseChallenges("Basic realm=\"unfinished\\"),
              ElementsAre(Challenge{"basic", {{"realm", "unfinished"}}}));
  EXPECT_THAT(ParseChallenges("Basic realm="),
              ElementsAre(Challenge{"basic", {{"realm", ""}}}));
  EXPECT_THAT(ParseChallenges("Basic @@@ realm=x"),
              ElementsAre(Challenge{"basic", {{"realm", "x"}}}));
}

}  // namespace
}  // namespace imgmount
