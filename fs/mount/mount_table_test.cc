// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/mount_table.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>

namespace imgmount {
namespace {

constexpr char kTable[] =
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
    "nonsense\n"
    "40 22 0:35 / /mnt/with\\040space\\134 ro - fuse.imgmount nginx ro\n"
    "41 22 0:36 / /mnt/x ro shared:7 master:3 - fuse.imgmount a\\054b:1 ro\n"
    "42 22 0:37 / /mnt/x rw - tmpfs none rw\n";

TEST(MountTable, ReadsPointsTypesAndSources) {
  const auto table = ParseMountInfo(kTable);
  ASSERT_EQ(table.size(), 4u);
  EXPECT_EQ(table[0].point, "/");
  EXPECT_EQ(table[0].device, makedev(254, 0));
  EXPECT_FALSE(table[0].is_ours());
  EXPECT_EQ(table[1].point, "/mnt/with space\\");
  EXPECT_EQ(table[1].source, "nginx");
  EXPECT_TRUE(table[1].is_ours());
  EXPECT_EQ(table[2].source, "a,b:1");
}

TEST(MountTable, FindsWhatIsOnTop) {
  const auto table = ParseMountInfo(kTable);
  EXPECT_EQ(MountAt(table, "/mnt/x")->type, "tmpfs");
  EXPECT_EQ(MountAt(table, "/mnt/y"), std::nullopt);
}

TEST(MountTable, OfThisMachineHasTheRoot) {
  const auto table = ReadMountTable();
  ASSERT_TRUE(table);
  EXPECT_TRUE(MountAt(*table, "/") || !table->empty());
}

TEST(MountPointPath, IsCanonicalAsTheTableWritesIt) {
  const auto temp =
      std::filesystem::canonical(std::filesystem::temp_directory_path()) /
      ("mount_table_test-" + std::to_string(::getpid()));
  std::filesystem::create_directories(temp / "real/deep");
  std::filesystem::create_symlink(temp / "real", temp / "link");
  EXPECT_EQ(*MountPointPath(temp / "link/deep/"), temp / "real/deep");
  EXPECT_EQ(*MountPointPath(temp / "link/deep/../deep/."), temp / "real/deep");
  EXPECT_EQ(*MountPointPath(temp / "link/missing"), temp / "real/missing");
  EXPECT_FALSE(MountPointPath(temp / "none/missing"));
  std::filesystem::remove_all(temp);
}

TEST(UnmountPoint, SaysWhatCannotBeUnmounted) {
  const auto status = UnmountPoint("/proc/self/fd", Unmount::kNow);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kMount);
  EXPECT_NE(status.error().message().find("/proc/self/fd"), std::string::npos);
}

}  // namespace
}  // namespace imgmount
