// SPDX-License-Identifier: Apache-2.0
#include "meta/base/regular_file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace imgmount {
namespace {

namespace stdfs = std::filesystem;

class RegularFileTest : public ::testing::Test {
 protected:
  RegularFileTest() {
    std::string name = stdfs::temp_directory_path() / "regular_test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    std::ofstream(folder_ / "file") << "content";
  }
  ~RegularFileTest() override { stdfs::remove_all(folder_); }

  // A pipe, a folder, a socket and a device: all that is no file.
  std::vector<stdfs::path> Others() const {
    const stdfs::path pipe = folder_ / "pipe";
    EXPECT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const stdfs::path socket = folder_ / "socket";
    std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                     sizeof address),
              0);
    return {pipe, socket, folder_, "/dev/zero"};
  }

  stdfs::path folder_;
};

TEST_F(RegularFileTest, IsRead) {
  EXPECT_EQ(ReadRegularFile(folder_ / "file", 7).value_or(""), "content");
  const auto too_large = ReadRegularFile(folder_ / "file", 6);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code(), ErrorCode::kCorrupt);
  const auto none = ReadRegularFile(folder_ / "none", 6);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
}

TEST_F(RegularFileTest, NothingElseIsAndNobodyWaits) {
  for (const stdfs::path& path : Others()) {
    const auto read = ReadRegularFile(path, 7);
    ASSERT_FALSE(read) << path;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt) << path;
    EXPECT_NE(read.error().message().find(path.string() + ": not a regular"),
              std::string::npos);
    EXPECT_FALSE(MappedFile::Open(path)) << path;
    EXPECT_FALSE(FileLock::Acquire(path)) << path;
  }
}

TEST_F(RegularFileTest, LocksAreMadeBehindNoLink) {
  stdfs::create_symlink(folder_ / "elsewhere", folder_ / "link");
  EXPECT_FALSE(FileLock::Acquire(folder_ / "link"));
  EXPECT_FALSE(stdfs::exists(folder_ / "elsewhere"));
}

}  // namespace
}  // namespace imgmount
