// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/tree_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "meta/diff/fake_tree.h"

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using testing::FakeTree;
using ::testing::IsEmpty;

// "C /etc/motd content,mode"
std::vector<std::string> Lines(const ChangeList& list) {
  std::vector<std::string> lines;
  for (const Change& change : list.changes) {
    std::string line(1, static_cast<char>(change.kind));
    line += ' ' + list.Path(change);
    char separator = ' ';
    for (const std::string_view name : WhatNames(change.what)) {
      line.append(1, separator).append(name);
      separator = ',';
    }
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> Diff(DiffTree& a, DiffTree& b,
                              const DiffOptions& options = {}) {
  auto list = DiffTrees(a, b, options);
  EXPECT_TRUE(list) << list.error().message();
  return list ? Lines(*list) : std::vector<std::string>{"failed"};
}

TEST(TreeDiff, OfEqualTreesIsEmpty) {
  const auto make = [] {
    return FakeTree().Dir("etc").File("etc/motd", "hi").Symlink("l", "etc");
  };
  FakeTree a = make();
  FakeTree b = make();
  EXPECT_THAT(Diff(a, b), IsEmpty());
}

TEST(TreeDiff, ListsEveryPathBelowWhatCameAndWent) {
  FakeTree a = FakeTree().Dir("old").Dir("old/x").File("old/x/f", "1");
  FakeTree b = FakeTree().Dir("new").File("new/f", "1").Dir("new/d");
  EXPECT_THAT(Diff(a, b), ElementsAre("A /new", "A /new/d", "A /new/f",
                                      "D /old", "D /old/x", "D /old/x/f"));
}

TEST(TreeDiff, SortsByWholePathBytewise) {
  FakeTree a;
  FakeTree b = FakeTree()
                   .Dir("a")
                   .File("a/z", "")
                   .File("a-b", "")
                   .File("a.b", "")
                   .Dir("a0")
                   .File("a0/c", "")
                   .File("\xff", "")
                   .Dir("ab");
  const auto lines = Diff(a, b);
  EXPECT_THAT(lines, ElementsAre("A /a", "A /a-b", "A /a.b", "A /a/z", "A /a0",
                                 "A /a0/c", "A /ab", "A /\xff"));
}

TEST(TreeDiff, TellsEachRespect) {
  FakeTree a;
  FakeTree b;
  const auto both = [&](auto add) {
    add(a);
    add(b);
  };
  both([](FakeTree& t) { t.File("content", "x"); });
  b.File("content", "y");
  both([](FakeTree& t) { t.File("mode", "x"); });
  b.With([](Inode& inode) { inode.mode ^= 04000; });
  both([](FakeTree& t) { t.File("mtime", "x"); });
  b.With([](Inode& inode) { inode.mtime.nanoseconds = 1; });
  both([](FakeTree& t) { t.Dir("owner"); });
  b.With([](Inode& inode) { inode.gid = 1; });
  both([](FakeTree& t) { t.File("size", "x"); });
  b.File("size", "xy");
  both([](FakeTree& t) { t.Symlink("target", "x"); });
  b.Symlink("target", "y");
  both([](FakeTree& t) { t.File("type", "x"); });
  b.Symlink("type", "x");
  both([](FakeTree& t) { t.Device("type-of-device", 1, 3); });
  b.Device("type-of-device", 1, 5);
  both([](FakeTree& t) { t.File("xattr", "x").Xattr("user.a", "1"); });
  b.Xattr("user.b", "1");
  EXPECT_THAT(
      Diff(a, b),
      ElementsAre("C /content content", "C /mode mode", "C /mtime mtime",
                  "C /owner owner", "C /size content", "C /target target",
                  "C /type type", "C /type-of-device type", "C /xattr xattr"));
}

TEST(TreeDiff, TellsSeveralRespectsAtOnce) {
  FakeTree a = FakeTree().File("f", "1");
  FakeTree b = FakeTree().File("f", "2").Xattr("user.a", "").With([](Inode& i) {
    i.mode = S_IFREG;
    i.uid = 5;
    i.mtime.seconds = -1;
  });
  EXPECT_THAT(Diff(a, b), ElementsAre("C /f content,mode,owner,mtime,xattr"));
}

TEST(TreeDiff, ComparesTheRootItself) {
  FakeTree a;
  FakeTree b = FakeTree().With([](Inode& inode) { inode.mode ^= 1; });
  EXPECT_THAT(Diff(a, b), ElementsAre("C / mode"));
}

TEST(TreeDiff, ListsBelowADirectoryThatBecameAFileAndTheReverse) {
  FakeTree a = FakeTree().Dir("d").File("d/x", "").File("f", "");
  FakeTree b = FakeTree().File("d", "").Dir("f").File("f/y", "");
  DiffOptions options;
  options.ignore = kWhatMode;
  EXPECT_THAT(Diff(a, b, options),
              ElementsAre("C /d type", "D /d/x", "C /f type", "A /f/y"));
}

TEST(TreeDiff, DoesNotCompareModesOfSymlinks) {
  FakeTree a = FakeTree().Symlink("l", "x");
  FakeTree b = FakeTree().Symlink("l", "x").With(
      [](Inode& inode) { inode.mode = S_IFLNK | 0644; });
  EXPECT_THAT(Diff(a, b), IsEmpty());
}

TEST(TreeDiff, IgnoresWhatItIsToldTo) {
  FakeTree a = FakeTree().File("f", "1").File("g", "1").Xattr("user.a", "");
  FakeTree b = FakeTree().File("f", "2").File("g", "1").With(
      [](Inode& inode) { inode.uid = 5; });
  DiffOptions options;
  options.ignore = kWhatXattr | kWhatContent;
  EXPECT_THAT(Diff(a, b, options), ElementsAre("C /g owner"));
  EXPECT_THAT(a.files_read(), IsEmpty()) << "contents do not count";
}

TEST(TreeDiff, ReadsOnlyFilesOfEqualSizeFromDifferentSources) {
  FakeTree a = FakeTree()
                   .File("moved", "same")
                   .From("sha256:1", 512)
                   .File("shared", "same")
                   .From("sha256:1", 1024)
                   .File("size", "12")
                   .File("empty", "");
  FakeTree b = FakeTree()
                   .File("moved", "same")
                   .From("sha256:2", 512)
                   .File("shared", "lies")
                   .From("sha256:1", 1024)
                   .File("size", "123")
                   .File("empty", "");
  EXPECT_THAT(Diff(a, b), ElementsAre("C /size content"));
  EXPECT_THAT(a.files_read(), ElementsAre(a.at("moved")));
}

TEST(TreeDiff, ReadsInTheOrderOfTheData) {
  FakeTree a = FakeTree()
                   .File("1", "x")
                   .From("s", 30)
                   .File("2", "x")
                   .From("s", 10)
                   .File("3", "x")
                   .From("s", 20);
  FakeTree b = FakeTree().File("1", "x").File("2", "x").File("3", "x");
  EXPECT_THAT(Diff(a, b), IsEmpty());
  EXPECT_THAT(a.files_read(), ElementsAre(a.at("2"), a.at("3"), a.at("1")));
}

TEST(TreeDiff, ReadsAFileOfManyNamesOnce) {
  FakeTree a = FakeTree().File("1", "x").Link("2", "1").Link("3", "1");
  FakeTree b = FakeTree().File("1", "y").Link("2", "1").Link("3", "1");
  EXPECT_THAT(Diff(a, b),
              ElementsAre("C /1 content", "C /2 content", "C /3 content"));
  EXPECT_THAT(a.files_read(), ElementsAre(a.at("1")));
}

TEST(TreeDiff, FindsADifferenceInTheLastByteOfALargeFile) {
  for (const size_t size :
       {size_t{256} << 10, (size_t{256} << 10) + 1, size_t{1} << 20}) {
    std::string content(size, 'x');
    FakeTree a = FakeTree().File("f", content);
    FakeTree same = FakeTree().File("f", content);
    content.back() = 'y';
    FakeTree b = FakeTree().File("f", content);
    EXPECT_THAT(Diff(a, same), IsEmpty()) << size;
    EXPECT_THAT(Diff(a, b), ElementsAre("C /f content")) << size;
  }
}

TEST(TreeDiff, NamesTheFileThatCannotBeRead) {
  FakeTree a = FakeTree().Dir("d").File("d/f", "1").FailsToRead();
  FakeTree b = FakeTree().Dir("d").File("d/f", "1");
  const auto list = DiffTrees(a, b);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(list.error().message(), "/d/f: bad span");
}

TEST(TreeDiff, LeavesOutExcludedPathsAndAllBelow) {
  FakeTree a;
  FakeTree b = FakeTree()
                   .Dir("usr")
                   .Dir("usr/doc")
                   .File("usr/doc/x", "")
                   .File("usr/x.pyc", "")
                   .File("usr/y", "");
  DiffOptions options;
  options.exclude = PathFilter({"/usr/doc", "*.pyc"});
  EXPECT_THAT(Diff(a, b, options), ElementsAre("A /usr", "A /usr/y"));
}

TEST(TreeDiff, GoesTenThousandLevelsDown) {
  FakeTree a;
  FakeTree b;
  std::string path;
  for (int i = 0; i < 10'000; ++i) {
    path += i == 0 ? "d" : "/d";
    b.Dir(path);
  }
  const auto list = DiffTrees(a, b);
  ASSERT_TRUE(list);
  ASSERT_EQ(list->changes.size(), 10'000u);
  EXPECT_EQ(list->Path(list->changes.back()), "/" + path);
}

TEST(TreeDiff, AgainstNothingAddsAll) {
  const auto nothing = MakeEmptyTree();
  FakeTree b = FakeTree().Dir("etc").File("etc/motd", "hi");
  EXPECT_THAT(Diff(*nothing, b), ElementsAre("A /etc", "A /etc/motd"));
  EXPECT_THAT(Diff(b, *nothing), ElementsAre("D /etc", "D /etc/motd"));
}

TEST(What, HasAName) {
  for (const What what : {kWhatContent, kWhatMode, kWhatOwner, kWhatMtime,
                          kWhatXattr, kWhatType, kWhatTarget}) {
    ASSERT_EQ(WhatNames(what).size(), 1u);
    EXPECT_EQ(WhatNamed(WhatNames(what)[0]), what);
  }
  EXPECT_EQ(WhatNamed("colour"), std::nullopt);
}

}  // namespace
}  // namespace imgmount
