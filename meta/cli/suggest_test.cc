// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/suggest.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

const std::vector<std::string> kImages = {"nginx", "nginx:1.25", "alpine",
                                          "redis"};

TEST(SuggestTest, FindsALetterTooManyMissingWrongOrSwapped) {
  for (const char* word : {"nginxx", "ngnx", "nginz", "ngnix"}) {
    EXPECT_EQ(Closest(word, kImages), "nginx") << word;
  }
  EXPECT_EQ(Closest("ngnix:1.25", kImages), "nginx:1.25");
}

TEST(SuggestTest, PrefersTheClosest) {
  EXPECT_EQ(Closest("--formt", {"--from", "--format"}), "--format");
}

TEST(SuggestTest, SuggestsNothingFarOff) {
  EXPECT_EQ(Closest("mysql", kImages), "");
  EXPECT_EQ(Closest("ab", {"xy"}), "");
  EXPECT_EQ(Closest("", kImages), "");
  EXPECT_EQ(Closest("nginx", {}), "");
}

TEST(SuggestTest, ComparesLongPathsByTheirEnds) {
  const std::vector<std::string> paths = {
      "oci-archive:/home/me/images/web.tar"};
  EXPECT_EQ(Closest("oci-archive:/home/me/images/app.tar", paths), "");
  EXPECT_EQ(Closest("oci-archive:/home/me/images/wbe.tar", paths), paths[0]);
}

TEST(SuggestTest, EndsAMessage) {
  EXPECT_EQ(DidYouMean("alpin", kImages), "; did you mean alpine?");
  EXPECT_EQ(DidYouMean("mysql", kImages), "");
}

}  // namespace
}  // namespace imgmount
