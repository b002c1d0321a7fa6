// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/git_patch.h"

#include <gtest/gtest.h>

#include <sstream>

#include "meta/diff/fake_tree.h"

namespace imgmount {
namespace {

using testing::FakeTree;

std::string Patch(FakeTree a, FakeTree b) {
  const auto list = DiffTrees(a, b);
  EXPECT_TRUE(list);
  std::ostringstream out;
  const Status status = WriteGitPatch({a, b, *list, {}, {}, {}}, {}, out);
  EXPECT_TRUE(status) << status.error().message();
  return out.str();
}

TEST(GitPatch, ShowsLinesThatChanged) {
  EXPECT_EQ(Patch(FakeTree().Dir("etc").File("etc/motd", "1\n2\n3\n"),
                  FakeTree().Dir("etc").File("etc/motd", "1\n2\n4")),
            "diff --git a/etc/motd b/etc/motd\n"
            "--- a/etc/motd\n"
            "+++ b/etc/motd\n"
            "@@ -1,3 +1,3 @@\n"
            " 1\n"
            " 2\n"
            "-3\n"
            "+4\n"
            "\\ No newline at end of file\n");
}

TEST(GitPatch, ShowsFilesThatCameAndWent) {
  const auto runs = [](Inode& inode) { inode.mode |= 0111; };
  EXPECT_EQ(Patch(FakeTree().File("gone", "1\n"),
                  FakeTree().Dir("d").File("d/new", "2\n").With(runs)),
            "diff --git a/d/new b/d/new\n"
            "new file mode 100755\n"
            "--- /dev/null\n"
            "+++ b/d/new\n"
            "@@ -0,0 +1 @@\n"
            "+2\n"
            "diff --git a/gone b/gone\n"
            "deleted file mode 100644\n"
            "--- a/gone\n"
            "+++ /dev/null\n"
            "@@ -1 +0,0 @@\n"
            "-1\n");
}

TEST(GitPatch, ShowsLinksAsTheirTargets) {
  EXPECT_EQ(Patch(FakeTree().Symlink("l", "a").File("t", "x\n"),
                  FakeTree().Symlink("l", "b").Symlink("t", "x")),
            "diff --git a/l b/l\n"
            "--- a/l\n"
            "+++ b/l\n"
            "@@ -1 +1 @@\n"
            "-a\n"
            "\\ No newline at end of file\n"
            "+b\n"
            "\\ No newline at end of file\n"
            "diff --git a/t b/t\n"
            "deleted file mode 100644\n"
            "--- a/t\n"
            "+++ /dev/null\n"
            "@@ -1 +0,0 @@\n"
            "-x\n"
            "diff --git a/t b/t\n"
            "new file mode 120000\n"
            "--- /dev/null\n"
            "+++ b/t\n"
            "@@ -0,0 +1 @@\n"
            "+x\n"
            "\\ No newline at end of file\n");
}

TEST(GitPatch, KnowsTheExecuteBitAndNoOtherMode) {
  const auto with_mode = [](uint32_t mode) {
    return FakeTree().File("f", "1").With(
        [mode](Inode& inode) { inode.mode = S_IFREG | mode; });
  };
  EXPECT_EQ(Patch(with_mode(0644), with_mode(0755)),
            "diff --git a/f b/f\n"
            "old mode 100644\n"
            "new mode 100755\n");
  EXPECT_EQ(Patch(with_mode(0644), with_mode(0600)), "");
}

TEST(GitPatch, DoesNotShowWhatIsNoText) {
  EXPECT_EQ(Patch(FakeTree().File("f", std::string(5, '\0')),
                  FakeTree().File("f", "text\n")),
            "diff --git a/f b/f\n"
            "index 40b450dd9d8187f90cf9f13a80c3ded26f8ecfd7.."
            "8e27be7d6154a1f68ea9160ef0e18691d20560dc 100644\n"
            "Binary files a/f and b/f differ\n");
  EXPECT_EQ(Patch(FakeTree(), FakeTree().File("f", "")),
            "diff --git a/f b/f\nnew file mode 100644\n");
}

TEST(GitPatch, QuotesNames) {
  EXPECT_EQ(GitQuoted("a/plain name"), "a/plain name");
  EXPECT_EQ(GitQuoted("a/\t\"\\\n\xc3\xa9"), "\"a/\\t\\\"\\\\\\n\\303\\251\"");
  EXPECT_EQ(Patch(FakeTree(), FakeTree().File("a b", "1\n")),
            "diff --git a/a b b/a b\n"
            "new file mode 100644\n"
            "--- /dev/null\n"
            "+++ b/a b\t\n"
            "@@ -0,0 +1 @@\n"
            "+1\n");
}

TEST(GitPatch, NamesTheFileThatCannotBeRead) {
  FakeTree a;
  FakeTree b = FakeTree().File("f", "1").FailsToRead();
  const auto list = DiffTrees(a, b);
  std::ostringstream out;
  const Status status = WriteGitPatch({a, b, *list, {}, {}, {}}, {}, out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message(), "/f: bad span");
}

}  // namespace
}  // namespace imgmount
