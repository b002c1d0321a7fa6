// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/tree_lookup.h"

#include <gtest/gtest.h>

#include "meta/diff/fake_tree.h"

namespace imgmount {
namespace {

using testing::FakeTree;

FakeTree Sample() {
  return FakeTree()
      .Dir("usr")
      .Dir("usr/lib")
      .File("usr/lib/f", "content")
      .Symlink("lib", "usr/lib")
      .Symlink("usr/absolute", "/usr/lib")
      .Symlink("usr/lib/up", "../../../../usr/./lib/f")
      .Symlink("loop", "loop");
}

std::string ReadAt(const std::string& path) {
  FakeTree tree = Sample();
  const auto file = ResolveIn(tree, path);
  if (!file) return file.error().message();
  return *ReadWhole(tree, *file, 100);
}

TEST(ResolveIn, FindsFilesAlsoBehindLinks) {
  for (const char* path :
       {"usr/lib/f", "/usr//lib/f", "lib/f", "usr/absolute/f", "usr/lib/up",
        "lib/up", "usr/../lib/./f"}) {
    EXPECT_EQ(ReadAt(path), "content") << path;
  }
}

TEST(ResolveIn, TellsWhatIsNotThere) {
  for (const char* path : {"none", "usr/none", "usr/lib/f/x", "loop/x"}) {
    FakeTree tree = Sample();
    const auto file = ResolveIn(tree, path);
    ASSERT_FALSE(file) << path;
    EXPECT_EQ(file.error().code(), ErrorCode::kNotFound);
  }
}

TEST(ResolveIn, TheRootIsEmpty) {
  FakeTree tree;
  EXPECT_EQ(ResolveIn(tree, "")->ino, kRootIno);
}

TEST(ReadWhole, RefusesWhatIsTooLarge) {
  FakeTree tree = Sample();
  const auto bytes = ReadWhole(tree, *ResolveIn(tree, "usr/lib/f"), 6);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace imgmount
