// SPDX-License-Identifier: Apache-2.0
#include "meta/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

// In place of libc's: whoever asks for the umask sets it for a moment, for all
// threads, so code that may run beside others must not.
static int umask_calls = 0;
extern "C" mode_t umask(mode_t mask) noexcept {
  ++umask_calls;
  return static_cast<mode_t>(::syscall(SYS_umask, mask));
}

namespace imgmount {
namespace {

namespace stdfs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string name = stdfs::temp_directory_path() / "file_test-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~FileTest() override { stdfs::remove_all(folder_); }

  size_t FilesInFolder() const {
    return static_cast<size_t>(std::distance(stdfs::directory_iterator(folder_),
                                             stdfs::directory_iterator()));
  }

  stdfs::path folder_;
};

TEST_F(FileTest, AtomicFileHasItsNameOnlyOnceCommitted) {
  auto file = AtomicFile::Create(folder_ / "blob");
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->Write("hello"));
  EXPECT_FALSE(stdfs::exists(folder_ / "blob"));
  ASSERT_TRUE(file->Commit());
  EXPECT_EQ(*ReadFile(folder_ / "blob", 100), "hello");
  EXPECT_EQ(FilesInFolder(), 1u);
}

TEST_F(FileTest, AtomicFileThatIsDroppedLeavesNothing) {
  {
    auto file = AtomicFile::Create(folder_ / "blob");
    ASSERT_TRUE(file->Write("half"));
  }
  EXPECT_EQ(FilesInFolder(), 0u);
}

TEST_F(FileTest, AtomicFileTakesTheUmaskWithoutAskingForIt) {
  const mode_t before = ::umask(077);
  umask_calls = 0;
  const auto file = AtomicFile::Create(folder_ / "blob");
  EXPECT_EQ(umask_calls, 0);
  EXPECT_EQ(::umask(before), 077u);
  struct stat st = {};
  ASSERT_TRUE(file);
  ASSERT_EQ(::fstat(file->fd(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
}

TEST_F(FileTest, ReadFileRefusesWhatIsTooLarge) {
  auto file = AtomicFile::Create(folder_ / "large");
  ASSERT_TRUE(file->Write(std::string(101, 'x')));
  ASSERT_TRUE(file->Commit());
  auto content = ReadFile(folder_ / "large", 100);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), ErrorCode::kCorrupt);
}

TEST_F(FileTest, MissingFileIsNotFoundAndNamed) {
  auto content = ReadFile(folder_ / "none", 100);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(content.error().message().find("none"), std::string::npos);
}

TEST_F(FileTest, AnEmptyFileMapsToNoBytes) {
  ASSERT_TRUE(AtomicFile::Create(folder_ / "empty")->Commit());
  auto mapped = MappedFile::Open(folder_ / "empty");
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(mapped->bytes().empty());
}

TEST_F(FileTest, WritesAnOutputWhereItsPathLeads) {
  const auto link = folder_ / "link";
  std::filesystem::create_symlink("/dev/null", folder_ / "device");
  std::filesystem::create_symlink("target", link);
  std::filesystem::create_symlink("made", folder_ / "dangling");
  std::ofstream(folder_ / "target") << "old";
  for (const char* name : {"device", "link", "dangling", "new"}) {
    auto file = AtomicFile::CreateOutput(folder_ / name);
    ASSERT_TRUE(file && file->Write(std::string_view("new")) && file->Commit());
  }
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "device"));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(*ReadFile(link, 10), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ / "dangling"));
  EXPECT_EQ(*ReadFile(folder_ / "made", 10), "new");
  EXPECT_EQ(*ReadFile(folder_ / "new", 10), "new");
  std::filesystem::create_symlink("loop", folder_ / "loop");
  EXPECT_FALSE(AtomicFile::CreateOutput(folder_ / "loop"));
}

}  // namespace
}  // namespace imgmount
