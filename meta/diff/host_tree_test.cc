// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/host_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "meta/base/file.h"
#include "meta/diff/tree_diff.h"
#include "tests/support/change_lines.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

namespace stdfs = std::filesystem;
using testing::TemporaryFolder;

void WriteFile(const stdfs::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::vector<std::string> Diff(const stdfs::path& a, const stdfs::path& b,
                              const DiffOptions& options) {
  auto tree_a = OpenHostTree(a);
  auto tree_b = OpenHostTree(b);
  EXPECT_TRUE(tree_a && tree_b);
  return testing::ChangeLines(DiffTrees(**tree_a, **tree_b, options));
}

DiffOptions NoTimes() {
  DiffOptions options;
  options.ignore = kWhatMtime;
  return options;
}

TEST(HostTree, ShowsWhatLstatShows) {
  const TemporaryFolder folder;
  WriteFile(folder.path() / "f", "hello");
  ASSERT_EQ(::chmod((folder.path() / "f").c_str(), 0604), 0);
  const timespec times[2] = {{0, 0}, {-5, 250}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (folder.path() / "f").c_str(), times, 0), 0);
  stdfs::create_symlink("no/where", folder.path() / "l");
  const auto tree = OpenHostTree(folder.path());
  ASSERT_TRUE(tree);
  const auto children = (*tree)->Children((*tree)->root());
  ASSERT_TRUE(children);
  ASSERT_EQ(children->size(), 2u);
  const auto file = (*tree)->Get((*children)[0].ino);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->mode, S_IFREG | 0604u);
  EXPECT_EQ(file->size, 5u);
  EXPECT_EQ(file->uid, ::getuid());
  EXPECT_EQ(file->mtime, (Timestamp{-5, 250}));
  EXPECT_EQ((*children)[1].type, uint32_t{S_IFLNK});
  EXPECT_EQ(*(*tree)->SymlinkTarget((*children)[1].ino), "no/where");
}

TEST(HostTree, ReadsFilesAtAnyOffset) {
  const TemporaryFolder folder;
  WriteFile(folder.path() / "f", "hello");
  WriteFile(folder.path() / "g", "world");
  const auto tree = OpenHostTree(folder.path());
  const auto children = (*tree)->Children((*tree)->root());
  std::string buffer(3, '\0');
  const auto out = std::as_writable_bytes(std::span(buffer));
  EXPECT_EQ(*(*tree)->Read((*children)[0].ino, 1, out), 3u);
  EXPECT_EQ(buffer, "ell");
  EXPECT_EQ(*(*tree)->Read((*children)[1].ino, 3, out), 2u);
  EXPECT_EQ(buffer, "ldl");
}

TEST(HostTree, ComparesXattrs) {
  const TemporaryFolder folder;
  for (const char* side : {"a", "b"}) {
    stdfs::create_directories(folder.path() / side);
    WriteFile(folder.path() / side / "f", "same");
  }
  const std::string file = folder.path() / "b" / "f";
  if (::setxattr(file.c_str(), "user.k", "v", 1, 0) != 0) {
    GTEST_SKIP() << "this file system has no user xattrs";
  }
  EXPECT_THAT(Diff(folder.path() / "a", folder.path() / "b", NoTimes()),
              ElementsAre("C /f"));
}

TEST(HostTree, GoesDeeperThanPathMax) {
  const TemporaryFolder folder;
  const std::string name(200, 'n');
  stdfs::create_directories(folder.path() / "a");
  stdfs::create_directories(folder.path() / "b");
  constexpr int kDepth = 60;  // 12,000 bytes
  UniqueFd at = *OpenFile(folder.path() / "b", O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(::mkdirat(at.get(), name.c_str(), 0755), 0);
    at = UniqueFd(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY));
    ASSERT_TRUE(at);
  }
  const auto lines = Diff(folder.path() / "a", folder.path() / "b", NoTimes());
  EXPECT_EQ(lines.size(), size_t{kDepth});
}

TEST(HostTree, OfWhatIsNoDirectoryIsRefused) {
  const TemporaryFolder folder;
  WriteFile(folder.path() / "f", "");
  EXPECT_EQ(OpenHostTree(folder.path() / "none").error().code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(OpenHostTree(folder.path() / "f").error().code(),
            ErrorCode::kUsage);
}

// diff(1) as the oracle: "Only in" and "differ" lines, as a set of paths.
std::set<std::string> DiffCommand(const stdfs::path& folder) {
  const std::string command =
      "cd '" + folder.string() + "' && LC_ALL=C diff -rq --no-dereference a b";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::set<std::string> paths;
  char line[4096];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    std::string text(line);
    text.pop_back();
    if (text.starts_with("Only in ")) {  // Only in a/x: name
      const size_t colon = text.find(": ");
      paths.insert(text.substr(9, colon - 9) + '/' + text.substr(colon + 2));
    } else {  // "Files a/x and b/x differ", "File a/x is a …", "Symbolic …"
      const size_t from = text.find(" a/") + 2;
      paths.insert(text.substr(from, text.find(' ', from) - from));
    }
  }
  ::pclose(pipe);
  return paths;
}

void MakeRandomTree(const stdfs::path& folder, std::mt19937& random,
                    int depth) {
  stdfs::create_directories(folder);
  for (int i = 0; i < 6; ++i) {
    const stdfs::path path = folder / std::string(1, "abcdef"[i]);
    switch (random() % 8) {
      case 0:
      case 1:
        WriteFile(path, std::string(random() % 3, "xy"[random() % 2]));
        break;
      case 2:
        stdfs::create_symlink(random() % 2 == 0 ? "a" : "b", path);
        break;
      case 3:
      case 4:
      case 5:
        if (depth > 0) MakeRandomTree(path, random, depth - 1);
        break;
      default:
        break;
    }
  }
}

TEST(HostTree, DiffersWhereDiffSaysSo) {
  std::mt19937 random(7);  // NOLINT: the same trees every time
  for (int round = 0; round < 20; ++round) {
    const TemporaryFolder folder;
    MakeRandomTree(folder.path() / "a", random, 3);
    MakeRandomTree(folder.path() / "b", random, 3);
    DiffOptions options;
    options.ignore = kWhatMode | kWhatMtime | kWhatOwner | kWhatXattr;
    std::set<std::string> all;
    for (const std::string& line :
         Diff(folder.path() / "a", folder.path() / "b", options)) {
      all.insert(line.substr(2));
    }
    std::set<std::string> tops;  // diff(1) does not go below what it names
    for (const std::string& path : all) {
      if (!all.contains(stdfs::path(path).parent_path())) tops.insert(path);
    }
    EXPECT_EQ(tops, DiffCommand(folder.path())) << "round " << round;
  }
}

}  // namespace
}  // namespace imgmount
