// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/mount_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

Result<MountOptions> Parse(std::vector<std::string> lists, bool root = true) {
  return MountOptions::Parse(lists, root);
}

void ExpectRefused(const std::vector<std::string>& lists,
                   const std::string& what, bool root = true) {
  const auto options = MountOptions::Parse(lists, root);
  ASSERT_FALSE(options) << lists.front();
  EXPECT_EQ(options.error().code(), ErrorCode::kUsage);
  EXPECT_THAT(options.error().message(), HasSubstr(what));
}

TEST(MountOptions, OfRootLetOthersInAndHoldThemToTheModes) {
  EXPECT_THAT(Parse({})->flags,
              testing::ElementsAre("allow_other", "default_permissions",
                                   "nodev", "nosuid", "ro"));
}

TEST(MountOptions, OfAUserShowThemAllOfTheirImage) {
  EXPECT_THAT(Parse({}, false)->flags,
              testing::ElementsAre("nodev", "nosuid", "ro"));
  EXPECT_THAT(Parse({"allow_other"}, false)->flags,
              IsSupersetOf({"allow_other", "default_permissions"}));
}

TEST(MountOptions, OfRootMayExcludeOthers) {
  const auto flags = Parse({"allow_root"})->flags;
  EXPECT_THAT(flags, Contains("allow_root"));
  EXPECT_THAT(flags, Not(Contains("allow_other")));
  EXPECT_THAT(flags, Not(Contains("default_permissions")));
}

TEST(MountOptions, TakeSuidAndDevFromRootAlone) {
  const auto flags = Parse({"suid,dev"})->flags;
  EXPECT_THAT(flags, IsSupersetOf({"suid", "dev"}));
  EXPECT_THAT(flags, Not(Contains("nosuid")));
  ExpectRefused({"suid"}, "-o suid: only root", false);
  ExpectRefused({"dev"}, "-o dev: only root", false);
}

TEST(MountOptions, TheLastOfTwoOppositesWins) {
  EXPECT_THAT(Parse({"suid,nosuid"})->flags, Contains("nosuid"));
  EXPECT_THAT(Parse({"noexec", "exec"})->flags, Not(Contains("noexec")));
}

TEST(MountOptions, AreReadFromListsInSeveralArguments) {
  const auto options = Parse({"uid=1000,noexec", "gid=7,,max_read=65536"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->uid, 1000u);
  EXPECT_EQ(options->gid, 7u);
  EXPECT_EQ(options->max_read, 65536u);
  EXPECT_THAT(options->flags, Contains("noexec"));
}

TEST(MountOptions, MayHaveCommasInAName) {
  EXPECT_EQ(Parse({R"(fsname=a\,b\\c,noexec)"})->fsname, "a,b\\c");
}

TEST(MountOptions, NeverAskForLargerReadsThanWeAnswer) {
  EXPECT_EQ(Parse({"max_read=99999999"})->max_read, kMaxRead);
  EXPECT_EQ(Parse({})->max_read, kMaxRead);
}

TEST(MountOptions, IgnoreWhatIsMeantForFstab) {
  EXPECT_EQ(Parse({"defaults,_netdev,nofail,x-systemd.automount,"
                   "x-systemd.idle-timeout=5,user,ro"})
                ->flags,
            Parse({})->flags);
}

TEST(MountOptions, RefuseToWrite) {
  ExpectRefused({"rw"}, "-o rw: an image is read-only");
}

TEST(MountOptions, NameWhatIsUnknown) {
  ExpectRefused({"noexec,colour"}, "-o colour: unknown option");
  ExpectRefused({"colour=red"}, "-o colour=red: unknown option");
  ExpectRefused({"noexec=1"}, "-o noexec=1: unknown option");
  ExpectRefused({"subtype=x"}, "-o subtype=x: unknown option");
}

TEST(MountOptions, RefuseWrongNumbers) {
  for (const char* option :
       {"uid=", "uid=x", "uid=-1", "uid=99999999999", "uid=4294967295",
        "fsname=", "gid=1x", "gid= 1", "max_read=0"}) {
    ExpectRefused({option}, std::string("-o ") + option);
  }
}

TEST(MountOptions, RefuseContradictions) {
  ExpectRefused({"allow_root,allow_other"}, "choose one");
}

}  // namespace
}  // namespace imgmount
