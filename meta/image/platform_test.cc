// SPDX-License-Identifier: Apache-2.0
#include "meta/image/platform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace imgmount {
namespace {

using ::testing::HasSubstr;

TEST(Platform, HasOneSpellingOfWhatHasSeveral) {
  const std::pair<const char*, const char*> cases[] = {
      {"linux/amd64", "linux/amd64"},
      {"linux/x86_64", "linux/amd64"},
      {"linux/x86-64", "linux/amd64"},
      {"Linux/AMD64/v1", "linux/amd64"},
      {"linux/amd64/v2", "linux/amd64/v2"},
      {"linux/aarch64", "linux/arm64"},
      {"linux/arm64/v8", "linux/arm64"},
      {"linux/arm64/8", "linux/arm64"},
      {"linux/arm64/v9", "linux/arm64/v9"},
      {"linux/arm", "linux/arm/v7"},
      {"linux/armhf", "linux/arm/v7"},
      {"linux/armel", "linux/arm/v6"},
      {"linux/arm/6", "linux/arm/v6"},
      {"linux/i386", "linux/386"},
      {"macos/arm64", "darwin/arm64"},
      {"linux/s390x", "linux/s390x"},
      {"my-os/my_arch/v.1", "my-os/my_arch/v.1"},
  };
  for (const auto& [text, normal] : cases) {
    const auto platform = Platform::Parse(text);
    ASSERT_TRUE(platform) << text;
    EXPECT_EQ(platform->Text(), normal) << text;
  }
}

TEST(Platform, OfOneWordIsAnOperatingSystemOrAnArchitecture) {
  const Platform here = Platform::OfThisMachine();
  EXPECT_EQ(*Platform::Parse("linux"), here);
  EXPECT_EQ(Platform::Parse("windows")->architecture, here.architecture);
  EXPECT_EQ(Platform::Parse("aarch64")->Text(), "linux/arm64");
  EXPECT_EQ(Platform::Parse("s390x")->Text(), "linux/s390x");
}

TEST(Platform, RefusesOtherText) {
  for (const char* text : {"", "/", "linux/", "linux//v8", "a/b/c/d", "toaster",
                           "linux/am d64", "linux/\n"}) {
    const auto platform = Platform::Parse(text);
    ASSERT_FALSE(platform) << text;
    EXPECT_EQ(platform.error().code(), ErrorCode::kUsage);
    EXPECT_THAT(platform.error().message(), HasSubstr("linux/arm64"));
  }
}

TEST(Platform, OfThisMachineRunsItsOwnImages) {
  const Platform here = Platform::OfThisMachine();
  EXPECT_GT(here.Match(here), 0);
  EXPECT_EQ(here.os, "linux");
}

// The candidates a machine takes, best first, and some that it does not.
void ExpectOrder(const char* machine, const std::vector<Platform>& best_first,
                 const std::vector<Platform>& refused) {
  const auto wanted = Platform::Parse(machine);
  ASSERT_TRUE(wanted);
  int previous = INT32_MAX;
  for (const Platform& candidate : best_first) {
    const int match = wanted->Match(candidate);
    EXPECT_GT(match, 0) << candidate.Text();
    EXPECT_LT(match, previous) << candidate.Text();
    previous = match;
  }
  for (const Platform& candidate : refused) {
    EXPECT_EQ(wanted->Match(candidate), 0) << candidate.Text();
  }
}

TEST(PlatformMatch, PrefersTheBestVariantThatRuns) {
  ExpectOrder("linux/amd64",
              {{"linux", "amd64", "", ""}, {"linux", "386", "", ""}},
              {{"linux", "amd64", "v2", ""},
               {"linux", "arm64", "", ""},
               {"windows", "amd64", "", "10.0"},
               {"unknown", "unknown", "", ""},
               {"", "", "", ""}});
  ExpectOrder("linux/amd64/v3",
              {{"linux", "amd64", "v3", ""},
               {"linux", "amd64", "v2", ""},
               {"linux", "amd64", "v1", ""},
               {"linux", "386", "", ""}},
              {{"linux", "amd64", "v4", ""}});
  ExpectOrder("linux/arm/v7",
              {{"linux", "arm", "", ""},
               {"linux", "arm", "v6", ""},
               {"linux", "arm", "v5", ""}},
              {{"linux", "arm", "v8", ""}, {"linux", "arm64", "", ""}});
  ExpectOrder("linux/arm64",
              {{"linux", "arm64", "v8", ""},
               {"linux", "arm", "v8", ""},
               {"linux", "arm", "v7", ""},
               {"linux", "arm", "v5", ""}},
              {{"linux", "arm64", "v9", ""}});
  ExpectOrder("linux/arm64/v9",
              {{"linux", "arm64", "v9", ""}, {"linux", "arm64", "v8", ""}}, {});
}

TEST(PlatformMatch, SeesThroughSpellings) {
  const auto wanted = Platform::Parse("linux/arm64");
  EXPECT_EQ(wanted->Match({"linux", "arm64", "v8", ""}),
            wanted->Match({"linux", "aarch64", "", ""}));
}

TEST(PlatformMatch, IsBoundedForOddVariants) {
  const Platform odd{"linux", "amd64", "v999999999", ""};
  EXPECT_GT(odd.Match(odd), 0);
}

}  // namespace
}  // namespace imgmount
