// SPDX-License-Identifier: Apache-2.0
#include "meta/store/image_names.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

const std::vector<std::string> kImages = {"nginx:1.25", "nginx:latest",
                                          "localhost:5000/app:2"};

TEST(ImageNamesTest, ShowsReferencesAsDockerDoes) {
  EXPECT_EQ(ShownName("docker.io/library/nginx:1"), "nginx:1");
  EXPECT_EQ(ShownName("nginx"), "nginx") << "no canonical reference";
  EXPECT_EQ(ShownName("v1.2"), "v1.2");
}

TEST(ImageNamesTest, SuggestsTheClosestName) {
  EXPECT_EQ(DidYouMeanImage("ngnix:1.25", kImages),
            "; did you mean nginx:1.25?");
  EXPECT_EQ(DidYouMeanImage("localhst:5000/app:2", kImages),
            "; did you mean localhost:5000/app:2?");
}

TEST(ImageNamesTest, SuggestsANameWithAnotherTag) {
  EXPECT_EQ(DidYouMeanImage("ngnix", kImages), "; did you mean nginx:1.25?");
  EXPECT_EQ(DidYouMeanImage("localhost:5000/app:nightly", kImages),
            "; did you mean localhost:5000/app:2?");
}

TEST(ImageNamesTest, SuggestsNothingFarOff) {
  EXPECT_EQ(DidYouMeanImage("mysql", kImages), "");
  EXPECT_EQ(DidYouMeanImage("ngnix", {}), "");
  EXPECT_EQ(DidYouMeanImage("nginx:1.25", kImages), "") << "not mistyped";
}

}  // namespace
}  // namespace imgmount
