// SPDX-License-Identifier: Apache-2.0
#include "meta/base/beneath.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace imgmount {
namespace {

namespace stdfs = std::filesystem;

class BeneathTest : public ::testing::Test {
 protected:
  BeneathTest() {
    stdfs::create_directories(root_);
    stdfs::create_directories(outside_);
    std::ofstream(outside_ / "precious") << "x";
  }
  ~BeneathTest() override { stdfs::remove_all(scratch_); }

  int ErrorOfOpening(const std::string& relative) const {
    const auto folder = OpenFolderBeneath(root_, relative);
    return folder ? 0 : folder.error().error_number();
  }
  bool OutsideIsWhole() const { return stdfs::exists(outside_ / "precious"); }

  stdfs::path scratch_ = [] {
    std::string name = stdfs::temp_directory_path() / "beneath_test-XXXXXX";
    return stdfs::path(::mkdtemp(name.data()));
  }();
  stdfs::path root_ = scratch_ / "root";
  stdfs::path outside_ = scratch_ / "outside";
};

TEST_F(BeneathTest, OpensFolders) {
  stdfs::create_directories(root_ / "a/b");
  stdfs::create_directory_symlink(root_, scratch_ / "link");
  EXPECT_EQ(ErrorOfOpening(""), 0);
  EXPECT_EQ(ErrorOfOpening("a/b"), 0);
  EXPECT_TRUE(OpenFolderBeneath(scratch_ / "link", "a"));
}

TEST_F(BeneathTest, FollowsNoLinkAndNeverLeaves) {
  stdfs::create_directory_symlink(outside_, root_ / "link");
  stdfs::create_directories(outside_ / "sub");
  std::ofstream(root_ / "file") << "x";
  EXPECT_EQ(ErrorOfOpening("link"), ENOTDIR);
  EXPECT_EQ(ErrorOfOpening("link/sub"), ENOTDIR);
  EXPECT_EQ(ErrorOfOpening("file"), ENOTDIR);
  EXPECT_EQ(ErrorOfOpening("../outside"), EINVAL);
  EXPECT_EQ(ErrorOfOpening("none"), ENOENT);
}

TEST_F(BeneathTest, RemovesFilesFoldersAndLinksThemselves) {
  stdfs::create_directories(root_ / "a/b/c");
  std::ofstream(root_ / "a/b/c/file") << "x";
  ASSERT_EQ(::mkfifo((root_ / "a/b/pipe").c_str(), 0600), 0);
  stdfs::create_directory_symlink(outside_, root_ / "a/b/link");
  stdfs::create_directory_symlink(outside_, root_ / "a/link");
  EXPECT_TRUE(RemoveBeneath(root_, "a/link"));
  EXPECT_TRUE(RemoveBeneath(root_, "a/b"));
  EXPECT_TRUE(stdfs::is_empty(root_ / "a"));
  EXPECT_TRUE(RemoveBeneath(root_, "a/b"));
  EXPECT_TRUE(RemoveBeneath(root_, "none/x"));
  EXPECT_TRUE(OutsideIsWhole());
}

TEST_F(BeneathTest, RemovesNothingBehindALink) {
  stdfs::create_directory_symlink(outside_, root_ / "link");
  const Status removed = RemoveBeneath(root_, "link/precious");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().error_number(), ENOTDIR);
  EXPECT_TRUE(OutsideIsWhole());
}

}  // namespace
}  // namespace imgmount
