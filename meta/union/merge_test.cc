// SPDX-License-Identifier: Apache-2.0
// The rules of the union, one claim per test.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "meta/union/layer_builder.h"
#include "meta/union/union_tree.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::LayerBuilder;
using testing::TemporaryFolder;

using Layers = std::vector<LayerBuilder>;

class MergeTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<UnionTree>> TryMerge(
      const Layers& builders, const MergeOptions& options = {}) {
    std::vector<LayerIndex> layers;
    std::vector<const LayerIndex*> pointers;
    for (const LayerBuilder& b : builders) layers.push_back(b.Build());
    for (const LayerIndex& layer : layers) pointers.push_back(&layer);
    const auto path = folder_.path() / "tree";
    IMGMOUNT_CHECK(Merge(pointers, path, options));
    return UnionTree::Open(path);
  }

  std::unique_ptr<UnionTree> MergeAll(const Layers& builders,
                                      const MergeOptions& options = {}) {
    auto tree = TryMerge(builders, options);
    if (!tree) {
      ADD_FAILURE() << tree.error().message();
      return nullptr;
    }
    return *std::move(tree);
  }

  std::string ErrorOf(const Layers& builders,
                      const MergeOptions& options = {}) {
    const auto tree = TryMerge(builders, options);
    if (tree) return "no error";
    EXPECT_EQ(tree.error().code(), ErrorCode::kCorrupt);
    return tree.error().message();
  }

  // "PATH TYPE LAYER" of everything but the root, sorted.
  std::vector<std::string> Shape(const Layers& builders,
                                 const MergeOptions& options = {}) {
    std::vector<std::string> shape;
    const auto tree = MergeAll(builders, options);
    if (tree == nullptr) return shape;
    const auto dump = tree->Dump();
    EXPECT_TRUE(dump) << dump.error().message();
    std::istringstream lines(*dump);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string path, type, mode, owner, mtime, layer;
      words >> path >> type >> mode >> owner >> mtime >> layer;
      if (path != "/")
        shape.push_back(path.substr(1) + ' ' + type + ' ' + layer);
    }
    return shape;
  }

  static Inode Stat(const UnionTree& tree, std::string_view path) {
    const auto ino = tree.Resolve(path);
    if (!ino) {
      ADD_FAILURE() << ino.error().message();
      return {};
    }
    return *tree.Get(*ino);
  }

 private:
  TemporaryFolder folder_;
};

const MergeOptions kShowWhiteouts = {.show_whiteouts = true};

// --- Directories and their metadata -----------------------------------------

TEST_F(MergeTest, NoLayersGiveAnEmptyRoot) {
  const auto tree = MergeAll({});
  EXPECT_EQ(*tree->Dump(), "/ dir 0755 0:0 0.000000000 - nlink=2\n");
  EXPECT_EQ(tree->inode_count(), 1u);
}

TEST_F(MergeTest, RootEntrySetsTheRootsMetadata) {
  const auto tree = MergeAll({LayerBuilder().Dir("").Mode(0711).Owner(3, 4),
                              LayerBuilder().File("x")});
  EXPECT_THAT(*tree->Dump(), HasSubstr("/ dir 0711 3:4 0.000000000 0 "));
}

TEST_F(MergeTest, RootThatIsNoDirectoryIsRefused) {
  EXPECT_THAT(ErrorOf({LayerBuilder().File("")}), HasSubstr("root"));
}

TEST_F(MergeTest, DirectoryOverDirectoryMergesWithTheUppersMetadata) {
  const auto tree =
      MergeAll({LayerBuilder().Dir("d").Mode(0700).Owner(1, 1).File("d/x"),
                LayerBuilder().Dir("d").Mode(0750).Owner(2, 2).File("d/y")});
  EXPECT_EQ(*tree->Dump(),
            "/ dir 0755 0:0 0.000000000 - nlink=3\n"
            "/d dir 0750 2:2 0.000000000 1 nlink=2\n"
            "/d/x file 0644 0:0 0.000000000 0 size=1\n"
            "/d/y file 0644 0:0 0.000000000 1 size=1\n");
}

TEST_F(MergeTest, UnlistedDirectoryKeepsTheLowersMetadata) {
  EXPECT_THAT(Shape({LayerBuilder().Dir("d"), LayerBuilder().File("d/x")}),
              ElementsAre("d dir 0", "d/x file 1"));
}

TEST_F(MergeTest, DirectoryThatNoLayerListsIsImplicit) {
  const auto tree = MergeAll({LayerBuilder().File("a/b/x")});
  EXPECT_THAT(*tree->Dump(), HasSubstr("/a dir 0755 0:0 0.000000000 - nlink=3\n"
                                       "/a/b dir 0755 0:0 0.000000000 - "));
}

TEST_F(MergeTest, ImplicitDirectoryTakesALaterEntrysMetadata) {
  EXPECT_THAT(Shape({LayerBuilder().File("a/x").Dir("a")}),
              ElementsAre("a dir 0", "a/x file 0"));
}

TEST_F(MergeTest, LaterEntryOfTheSameNameInOneLayerWins) {
  const auto tree = MergeAll({LayerBuilder().File("x", 1).File("x", 2)});
  EXPECT_EQ(Stat(*tree, "x").size, 2u);
  EXPECT_EQ(tree->inode_count(), 2u);
}

TEST_F(MergeTest, FileOverDirectoryHidesTheSubtreeForALaterDirectory) {
  EXPECT_THAT(Shape({LayerBuilder().Dir("d").Dir("d/e").File("d/e/x"),
                     LayerBuilder().File("d"), LayerBuilder().Dir("d/e")}),
              ElementsAre("d dir -", "d/e dir 2"));
  EXPECT_THAT(Shape({LayerBuilder().File("d/x").File("d").Dir("d")}),
              ElementsAre("d dir 0"));
}

TEST_F(MergeTest, DirectoryReplacesASymlinkToADirectory) {
  EXPECT_THAT(Shape({LayerBuilder().Dir("d").Symlink("l", "d"),
                     LayerBuilder().Dir("l")}),
              ElementsAre("d dir 0", "l dir 1"));
}

TEST_F(MergeTest, EveryTypeReplacesEveryOther) {
  const std::vector<EntryType> types = {
      EntryType::kRegular,    EntryType::kDirectory,   EntryType::kSymlink,
      EntryType::kCharDevice, EntryType::kBlockDevice, EntryType::kFifo,
      EntryType::kSocket};
  const auto layer = [](EntryType type) {
    if (type == EntryType::kSymlink) return LayerBuilder().Symlink("n", "t");
    if (type == EntryType::kCharDevice) {  // 0:0 is a whiteout
      return LayerBuilder().Device(type, "n", 1, 3);
    }
    return LayerBuilder().Special(type, "n");
  };
  const auto format = [&](const UnionTree& tree) {
    return Stat(tree, "n").mode & S_IFMT;
  };
  for (const EntryType lower : types) {
    for (const EntryType upper : types) {
      EXPECT_EQ(format(*MergeAll({layer(lower), layer(upper)})),
                format(*MergeAll({layer(upper)})));
    }
  }
}

// --- Whiteouts ---------------------------------------------------------------

TEST_F(MergeTest, WhiteoutHidesTheLowerNameAndAllUnderIt) {
  EXPECT_THAT(Shape({LayerBuilder().Dir("d").File("d/x").File("y"),
                     LayerBuilder().Whiteout("d")}),
              ElementsAre("y file 0"));
}

TEST_F(MergeTest, WhiteoutLeavesWhatItsOwnLayerAddsInAnyOrder) {
  const Layers lower = {LayerBuilder().Dir("d").File("d/x")};
  EXPECT_THAT(
      Shape({lower[0], LayerBuilder().Dir("d").File("d/y").Whiteout("d")}),
      ElementsAre("d dir 1", "d/y file 1"));
  EXPECT_THAT(
      Shape({lower[0], LayerBuilder().Whiteout("d").Dir("d").File("d/y")}),
      ElementsAre("d dir 1", "d/y file 1"));
}

TEST_F(MergeTest, DirectoryAfterItsWhiteoutForgetsTheLowersMetadata) {
  EXPECT_THAT(Shape({LayerBuilder().Dir("d"),
                     LayerBuilder().File("d/y").Whiteout("d")}),
              ElementsAre("d dir -", "d/y file 1"));
}

TEST_F(MergeTest, WhiteoutReachesThroughSeveralLayers) {
  EXPECT_THAT(Shape({LayerBuilder().File("d/x"), LayerBuilder().File("d/y"),
                     LayerBuilder().Whiteout("d/x"), LayerBuilder().File("z")}),
              ElementsAre("d dir -", "d/y file 1", "z file 3"));
}

TEST_F(MergeTest, WhiteoutOfWhatIsNotThereMakesNothing) {
  EXPECT_THAT(Shape({LayerBuilder().File("f"), LayerBuilder()
                                                   .Whiteout("no/such/name")
                                                   .Whiteout("f/under")
                                                   .Opaque("nowhere")
                                                   .Opaque("f")}),
              ElementsAre("f file 0"));
}

TEST_F(MergeTest, WhiteoutDoesNotReachThroughSymlinks) {
  EXPECT_THAT(Shape({LayerBuilder().File("d/x").Symlink("l", "d"),
                     LayerBuilder().Whiteout("l/x")}),
              ElementsAre("d dir -", "d/x file 0", "l link 0"));
}

TEST_F(MergeTest, WhiteoutsOneUnderTheOtherDoNotMindTheirOrder) {
  const LayerBuilder lower = LayerBuilder().Dir("d").File("d/x");
  EXPECT_THAT(Shape({lower, LayerBuilder().Whiteout("d").Whiteout("d/x")}),
              IsEmpty());
  EXPECT_THAT(Shape({lower, LayerBuilder().Whiteout("d/x").Whiteout("d")}),
              IsEmpty());
}

TEST_F(MergeTest, OpaqueHidesTheLowerChildrenInAnyOrder) {
  const LayerBuilder lower = LayerBuilder().Dir("d").File("d/x").File("d/z");
  EXPECT_THAT(Shape({lower, LayerBuilder().Dir("d").Opaque("d").File("d/y")}),
              ElementsAre("d dir 1", "d/y file 1"));
  EXPECT_THAT(Shape({lower, LayerBuilder().File("d/x").Dir("d").Opaque("d")}),
              ElementsAre("d dir 1", "d/x file 1"));
}

TEST_F(MergeTest, OpaqueOfAnUnlistedDirectoryKeepsItsMetadata) {
  const auto tree = MergeAll({LayerBuilder().Dir("d").Mode(0700).File("d/x"),
                              LayerBuilder().Opaque("d")});
  EXPECT_THAT(*tree->Dump(),
              HasSubstr("/d dir 0700 0:0 0.000000000 0 nlink=2\n"));
}

TEST_F(MergeTest, OpaqueRootHidesAllLowerLayers) {
  EXPECT_THAT(Shape({LayerBuilder().Dir("").Mode(0700).File("a/x"),
                     LayerBuilder().File("b").Opaque("")}),
              ElementsAre("b file 1"));
}

TEST_F(MergeTest, LayersAboveAnOpaqueOneMergeWithIt) {
  EXPECT_THAT(Shape({LayerBuilder().File("d/x"),
                     LayerBuilder().Dir("d").Opaque("d").File("d/y"),
                     LayerBuilder().File("d/z"), LayerBuilder().Opaque("d"),
                     LayerBuilder().File("d/x")}),
              ElementsAre("d dir 1", "d/x file 4"));
}

// --- Parents
// ------------------------------------------------------------------

TEST_F(MergeTest, LowerFileAsParentGivesWayToADirectory) {
  EXPECT_THAT(Shape({LayerBuilder().File("a"), LayerBuilder().File("a/x")}),
              ElementsAre("a dir -", "a/x file 1"));
}

TEST_F(MergeTest, LowerSymlinkAsParentGivesWayToADirectory) {
  EXPECT_THAT(Shape({LayerBuilder().Dir("d").Symlink("l", "d"),
                     LayerBuilder().File("l/x")}),
              ElementsAre("d dir 0", "l dir -", "l/x file 1"));
}

TEST_F(MergeTest, SymlinkOfTheSameLayerIsFollowedAsParent) {
  EXPECT_THAT(Shape({LayerBuilder().Dir("d"),
                     LayerBuilder().Symlink("l", "d").File("l/x").Dir("l/y")}),
              ElementsAre("d dir 0", "d/x file 1", "d/y dir 1", "l link 1"));
}

TEST_F(MergeTest, FollowedSymlinksStayInsideTheRoot) {
  EXPECT_THAT(Shape({LayerBuilder()
                         .Symlink("abs", "/d/e")
                         .File("abs/x")
                         .Symlink("s/up", "../../../../d/./f")
                         .File("s/up/y")
                         .Symlink("top", "..")
                         .File("top/z")}),
              ElementsAre("abs link 0", "d dir -", "d/e dir -", "d/e/x file 0",
                          "d/f dir -", "d/f/y file 0", "s dir -", "s/up link 0",
                          "top link 0", "z file 0"));
}

TEST_F(MergeTest, SymlinkReplacedByANewOneLeadsToTheNewTarget) {
  EXPECT_THAT(
      Shape(
          {LayerBuilder().Symlink("l", "a").File("l/x").Symlink("l", "b").File(
              "l/x")}),
      ElementsAre("a dir -", "a/x file 0", "b dir -", "b/x file 0",
                  "l link 0"));
}

TEST_F(MergeTest, SymlinksInACircleAsParentsAreRefused) {
  EXPECT_EQ(
      ErrorOf({LayerBuilder().Symlink("a", "b").Symlink("b", "a").File("a/x")}),
      "layer 0: \"a/x\": too many symlinks");
}

TEST_F(MergeTest, FileOfTheSameLayerAsParentIsRefused) {
  EXPECT_EQ(ErrorOf({LayerBuilder(), LayerBuilder().File("a").File("a/x")}),
            "layer 1: \"a/x\": \"a\" is not a directory");
}

// --- Hard links
// ----------------------------------------------------------------

TEST_F(MergeTest, HardLinksShareOneInodeInAnyOrder) {
  for (const LayerBuilder& layer :
       {LayerBuilder().File("a", 7).Link("b", "a").Link("d/c", "b"),
        LayerBuilder().Link("d/c", "b").Link("b", "a").File("a", 7),
        LayerBuilder().Link("b", "a").File("a", 7).Link("d/c", "b")}) {
    const auto tree = MergeAll({layer});
    EXPECT_EQ(Stat(*tree, "a").nlink, 3u);
    EXPECT_EQ(Stat(*tree, "a").ino, Stat(*tree, "b").ino);
    EXPECT_EQ(Stat(*tree, "a").ino, Stat(*tree, "d/c").ino);
    EXPECT_EQ(tree->total_bytes(), 7u);
  }
}

TEST_F(MergeTest, HardLinkToALowerFileSharesItsInode) {
  const auto tree =
      MergeAll({LayerBuilder().File("a"), LayerBuilder().Link("b", "a")});
  EXPECT_EQ(Stat(*tree, "a").ino, Stat(*tree, "b").ino);
  EXPECT_EQ(Stat(*tree, "b").nlink, 2u);
  EXPECT_EQ(Stat(*tree, "b").layer, 0u);
}

TEST_F(MergeTest, LinkAndWhiteoutOfItsTargetAreARename) {
  const LayerBuilder lower = LayerBuilder().File("a");
  EXPECT_THAT(Shape({lower, LayerBuilder().Link("b", "a").Whiteout("a")}),
              ElementsAre("b file 0"));
  EXPECT_THAT(Shape({lower, LayerBuilder().Whiteout("a").Link("b", "a")}),
              ElementsAre("b file 0"));
}

TEST_F(MergeTest, HardLinkTakesItsTargetAsItStandsAtThatPoint) {
  const auto tree =
      MergeAll({LayerBuilder().File("a", 1),
                LayerBuilder().Link("b", "a").File("a", 2).Link("c", "a")});
  EXPECT_EQ(Stat(*tree, "b").size, 1u);
  EXPECT_EQ(Stat(*tree, "b").nlink, 1u);
  EXPECT_EQ(Stat(*tree, "c").ino, Stat(*tree, "a").ino);
}

TEST_F(MergeTest, ReplacedNameLeavesTheGroup) {
  const auto tree =
      MergeAll({LayerBuilder().File("a").Link("b", "a").Link("c", "a"),
                LayerBuilder().File("a"), LayerBuilder().Whiteout("c")});
  EXPECT_EQ(Stat(*tree, "a").nlink, 1u);
  EXPECT_EQ(Stat(*tree, "b").nlink, 1u);
  EXPECT_EQ(Stat(*tree, "b").layer, 0u);
}

TEST_F(MergeTest, HardLinkToASymlinkSharesTheSymlink) {
  const auto tree =
      MergeAll({LayerBuilder().File("t").Symlink("a", "t").Link("b", "a")});
  EXPECT_EQ(Stat(*tree, "b").mode & S_IFMT, uint32_t{S_IFLNK});
  EXPECT_EQ(Stat(*tree, "b").nlink, 2u);
}

TEST_F(MergeTest, HardLinkToADeviceSharesTheDevice) {
  const auto tree = MergeAll({LayerBuilder()
                                  .Device(EntryType::kBlockDevice, "a", 8, 1)
                                  .Link("b", "a")});
  EXPECT_EQ(Stat(*tree, "b").device_major, 8u);
  EXPECT_EQ(Stat(*tree, "b").nlink, 2u);
}

TEST_F(MergeTest, HardLinkFollowsSymlinksInItsTargetsParents) {
  const auto tree =
      MergeAll({LayerBuilder().File("usr/bin/a").Symlink("bin", "usr/bin"),
                LayerBuilder().Link("b", "bin/a")});
  EXPECT_EQ(Stat(*tree, "b").ino, Stat(*tree, "usr/bin/a").ino);
}

TEST_F(MergeTest, PendingLinkThatIsReplacedIsForgotten) {
  EXPECT_THAT(Shape({LayerBuilder().Link("b", "nowhere").File("b")}),
              ElementsAre("b file 0"));
}

TEST_F(MergeTest, HardLinksThatCannotBeAreRefused) {
  EXPECT_EQ(ErrorOf({LayerBuilder(), LayerBuilder().Link("b", "no/such")}),
            "layer 1: \"b\": hard link to \"no/such\", which no layer has");
  EXPECT_THAT(ErrorOf({LayerBuilder().Dir("d").Link("b", "d")}),
              HasSubstr("\"b\": hard link to the directory \"d\""));
  EXPECT_THAT(ErrorOf({LayerBuilder().Link("b", "d").Dir("d")}),
              HasSubstr("\"b\": hard link to the directory \"d\""));
  EXPECT_THAT(ErrorOf({LayerBuilder().Link("b", "")}),
              HasSubstr("hard link to the directory"));
  EXPECT_THAT(ErrorOf({LayerBuilder().File("a").Link("a", "a")}),
              HasSubstr("hard link to itself"));
  EXPECT_THAT(ErrorOf({LayerBuilder().Link("a", "a")}),
              HasSubstr("hard links in a circle"));
  EXPECT_THAT(
      ErrorOf({LayerBuilder().Link("a", "b").Link("b", "c").Link("c", "a")}),
      HasSubstr("hard links in a circle"));
  EXPECT_THAT(ErrorOf({LayerBuilder().File("a"), LayerBuilder().Whiteout("a"),
                       LayerBuilder().Link("b", "a")}),
              HasSubstr("which no layer has"));
}

// --- Other things
// ---------------------------------------------------------------

TEST_F(MergeTest, NamesAreBytes) {
  const std::string name = "\xff\n \\" + std::string(251, 'x');
  const auto tree = MergeAll({LayerBuilder().File(name)});
  EXPECT_EQ(*tree->Resolve(name), Ino(2));
  EXPECT_EQ(tree->Entry(kRootIno, 0)->name, name);
  EXPECT_THAT(*tree->Dump(), HasSubstr("/\\xff\\x0a\\x20\\x5cxxx"));
}

TEST_F(MergeTest, SymlinksHaveTheModeThatLinuxGivesThem) {
  const auto tree = MergeAll({LayerBuilder().Symlink("l", "t").Mode(0)});
  EXPECT_EQ(Stat(*tree, "l").mode, uint32_t{S_IFLNK | 0777});
}

TEST_F(MergeTest, SymlinkWithoutATargetIsRefused) {
  EXPECT_THAT(ErrorOf({LayerBuilder().Symlink("l", "")}),
              HasSubstr("symlink without a target"));
}

TEST_F(MergeTest, DepthIsNoMatter) {
  std::string path = "d";
  for (int i = 0; i < 10'000; ++i) path += "/d";
  const auto tree = MergeAll({LayerBuilder().Dir(path)});
  EXPECT_TRUE(tree->Resolve(path));
  EXPECT_EQ(tree->inode_count(), 10'002u);
}

TEST_F(MergeTest, SameLayerTwiceIsTheSameTree) {
  const LayerBuilder layer =
      LayerBuilder().Dir("d").File("d/x").Link("d/y", "d/x").Symlink("l", "d");
  EXPECT_THAT(Shape({layer, layer}),
              ElementsAre("d dir 1", "d/x file 1", "d/y file 1", "l link 1"));
}

TEST_F(MergeTest, TooManyLayersAreRefused) {
  const LayerIndex empty;
  const std::vector<const LayerIndex*> layers(0xffff, &empty);
  const auto status = Merge(layers, "/nonexistent/tree");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kUnsupported);
}

// --- A single layer's own view -----------------------------------------------

TEST_F(MergeTest, ShownWhiteoutIsACharacterDevice) {
  const auto tree = MergeAll({LayerBuilder().Whiteout("d/x")}, kShowWhiteouts);
  EXPECT_THAT(*tree->Dump(),
              HasSubstr("/d/x char 0000 0:0 0.000000000 0 device=0:0\n"));
}

TEST_F(MergeTest, ShownOpaqueDirectoryHasTheXattr) {
  const auto tree = MergeAll({LayerBuilder()
                                  .Dir("d")
                                  .WithXattr("user.a", "1")
                                  .WithXattr("user.z", "2")
                                  .Opaque("d")
                                  .Opaque("unlisted")},
                             kShowWhiteouts);
  EXPECT_TRUE(tree->any_xattrs());
  EXPECT_THAT(*tree->Dump(),
              HasSubstr("\"trusted.overlay.opaque\"=\"y\" \"user.a\"=\"1\" "
                        "\"user.overlay.opaque\"=\"y\" \"user.z\"=\"2\"\n"));
  EXPECT_THAT(*tree->Dump(),
              HasSubstr("/unlisted dir 0755 0:0 0.000000000 - nlink=2 "
                        "\"trusted.overlay.opaque\"=\"y\" "
                        "\"user.overlay.opaque\"=\"y\"\n"));
}

TEST_F(MergeTest, ShownWhiteoutOfAnAddedDirectoryMakesItOpaque) {
  const auto tree =
      MergeAll({LayerBuilder().Dir("d").File("f").Whiteout("d").Whiteout("f")},
               kShowWhiteouts);
  EXPECT_THAT(*tree->Dump(), HasSubstr("/d dir 0755 0:0 0.000000000 0 nlink=2 "
                                       "\"trusted.overlay.opaque\"=\"y\" "
                                       "\"user.overlay.opaque\"=\"y\"\n"));
  EXPECT_THAT(*tree->Dump(), HasSubstr("/f file"));
}

TEST_F(MergeTest, ShownWhiteoutUnderAnotherIsNotSeenInAnyOrder) {
  EXPECT_THAT(
      Shape({LayerBuilder().Whiteout("d").Whiteout("d/x")}, kShowWhiteouts),
      ElementsAre("d char 0"));
  EXPECT_THAT(
      Shape({LayerBuilder().Whiteout("d/x").Whiteout("d")}, kShowWhiteouts),
      ElementsAre("d char 0"));
}

TEST_F(MergeTest, LayerAloneShowsLinksToLowerFilesAsTheFiles) {
  const auto tree =
      MergeAll({LayerBuilder().Dir("a").File("a/foo", 7).Mode(0600),
                LayerBuilder().Dir("a").File("a/foo", 3).Mode(0640).Owner(5, 6),
                LayerBuilder()
                    .Link("a/bar", "a/foo")
                    .File("a/other")
                    .Link("a/third", "a/bar")},
               kShowWhiteouts);
  EXPECT_EQ(*tree->Dump(),
            "/ dir 0755 0:0 0.000000000 - nlink=3\n"
            "/a dir 0755 0:0 0.000000000 - nlink=2\n"
            "/a/bar file 0640 5:6 0.000000000 1 size=3 nlink=2 same=/a/bar\n"
            "/a/other file 0644 0:0 0.000000000 2 size=1\n"
            "/a/third file 0640 5:6 0.000000000 1 size=3 nlink=2 "
            "same=/a/bar\n");
}

TEST_F(MergeTest, LayerAloneShowsARenameOfALowerFile) {
  EXPECT_THAT(Shape({LayerBuilder().File("old", 4),
                     LayerBuilder().Whiteout("old").Link("new", "old")},
                    kShowWhiteouts),
              ElementsAre("new file 0", "old char 1"));
}

// As in the union: what has the name at that point of the tar.
TEST_F(MergeTest, LayerAloneTakesTheLinkTargetThatTheUnionTakes) {
  const Layers layers = {
      LayerBuilder().Dir("d").File("d/f", 1),
      LayerBuilder().Link("before", "d/f").File("d/f", 2).Link("after", "d/f"),
      LayerBuilder().Symlink("s", "d").Link("through", "s/f")};
  EXPECT_THAT(
      Shape({layers[0], layers[1]}, kShowWhiteouts),
      ElementsAre("after file 1", "before file 0", "d dir -", "d/f file 1"));
  EXPECT_THAT(Shape(layers, kShowWhiteouts),
              ElementsAre("s link 2", "through file 1"));
}

TEST_F(MergeTest, LayerAloneNamesItselfWhenALinkLeadsNowhere) {
  const Layers layers = {LayerBuilder().File("x"),
                         LayerBuilder().Link("a", "gone")};
  EXPECT_THAT(
      ErrorOf(layers, kShowWhiteouts),
      HasSubstr(R"(layer 1: "a": hard link to "gone", which no layer)"));
}

// --- Character devices 0:0 ---------------------------------------------------

LayerBuilder WhiteoutDevice(std::string path) {
  return LayerBuilder().Device(EntryType::kCharDevice, std::move(path), 0, 0);
}

TEST_F(MergeTest, CharacterDeviceZeroHidesAsTheKernelDoes) {
  const LayerBuilder base = LayerBuilder().Dir("d").File("d/f").File("g");
  EXPECT_THAT(Shape({base, WhiteoutDevice("d")}), ElementsAre("g file 0"));
  EXPECT_THAT(Shape({base, WhiteoutDevice("d/f")}),
              ElementsAre("d dir 0", "g file 0"));
  EXPECT_THAT(Shape({WhiteoutDevice("never").File("x")}),
              ElementsAre("x file 0"));
  EXPECT_THAT(Shape({base, WhiteoutDevice("d").Link("also", "d")}),
              ElementsAre("g file 0"))
      << "a link to it is it";
  EXPECT_THAT(Shape({base, WhiteoutDevice("d"), LayerBuilder().Dir("d")}),
              ElementsAre("d dir 2", "g file 0"))
      << "what was below does not come back";
}

TEST_F(MergeTest, CharacterDeviceZeroIsAnEntryInItsOwnLayer) {
  const LayerBuilder base = LayerBuilder().File("f", 1);
  EXPECT_THAT(Shape({base, WhiteoutDevice("f").File("f", 2)}),
              ElementsAre("f file 1"));
  EXPECT_THAT(Shape({base, LayerBuilder().File("f", 2).Device(
                               EntryType::kCharDevice, "f", 0, 0)}),
              ElementsAre());
  EXPECT_THAT(ErrorOf({WhiteoutDevice("f").File("f/x")}),
              HasSubstr("is not a directory"));
  EXPECT_THAT(Shape({base, WhiteoutDevice("f")}, kShowWhiteouts),
              ElementsAre("f char 1"));
}

TEST_F(MergeTest, OtherDevicesHideNothingElse) {
  EXPECT_THAT(Shape({LayerBuilder()
                         .Device(EntryType::kCharDevice, "null", 1, 3)
                         .Device(EntryType::kBlockDevice, "zero", 0, 0)}),
              ElementsAre("null char 0", "zero block 0"));
}

}  // namespace
}  // namespace imgmount
