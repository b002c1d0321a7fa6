// SPDX-License-Identifier: Apache-2.0
#include "meta/store/access_profile_file.h"

#include <gtest/gtest.h>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

const std::vector<AccessProfile> kProfiles = {
    {{.offset = 2 << 20, .ino = 3, .length = 100},
     {.offset = uint64_t{9} << 40, .ino = 0, .length = kMaxProfilePartBytes}},
    {{.offset = 0, .ino = ~0U, .length = 1}}};

TEST(ProfileFile, KeepsThemAsTheyAre) {
  EXPECT_EQ(*ParseProfiles(Bytes(FormatProfiles(kProfiles, "a")), "a"),
            kProfiles);
  EXPECT_EQ(ParseProfiles(Bytes(FormatProfiles({}, "a")), "a")->size(), 0u);
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "starts";
  ASSERT_TRUE(WriteProfiles(path, kProfiles, "a"));
  EXPECT_EQ(*ReadProfiles(path, "a"), kProfiles);
}

TEST(ProfileFile, OfAnotherImageIsDamage) {
  const std::string bytes = FormatProfiles(kProfiles, "a");
  EXPECT_EQ(ParseProfiles(Bytes(bytes), "b").error().code(),
            ErrorCode::kCorrupt);
}

TEST(ProfileFile, EveryFlippedOrMissingByteIsDamage) {
  const std::string good = FormatProfiles(kProfiles, "a");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] ^= 1;
    EXPECT_FALSE(ParseProfiles(Bytes(bytes), "a")) << i;
    EXPECT_FALSE(ParseProfiles(Bytes(good.substr(0, i)), "a")) << i;
  }
  EXPECT_FALSE(ParseProfiles(Bytes(good + '\0'), "a"));
}

TEST(ProfileFile, HasLimitsThoughItsChecksumIsRight) {
  const AccessProfile long_one(kMaxProfileParts, kProfiles[0][0]);
  const std::vector<AccessProfile> most(kMaxProfiles, long_one);
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(WriteProfiles(folder.path() / "most", most, "a"));
  EXPECT_EQ(*ReadProfiles(folder.path() / "most", "a"), most);

  const auto refused = [](const std::vector<AccessProfile>& profiles) {
    return !ParseProfiles(Bytes(FormatProfiles(profiles, "a")), "a");
  };
  EXPECT_TRUE(refused(std::vector(kMaxProfiles + 1, kProfiles[0])));
  EXPECT_TRUE(refused({AccessProfile(kMaxProfileParts + 1, kProfiles[0][0])}));
  EXPECT_TRUE(refused({AccessProfile()}));
  EXPECT_TRUE(refused({{{.offset = 0, .ino = 0, .length = 0}}}));
  EXPECT_TRUE(
      refused({{{.offset = 0, .ino = 0, .length = kMaxProfilePartBytes + 1}}}));
}

}  // namespace
}  // namespace imgmount
