// SPDX-License-Identifier: Apache-2.0
#include "fs/view/composed_fs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "fs/view/image_fs.h"
#include "tests/support/test_image.h"

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using testing::TestImage;
using testing::TestLayer;

TestLayer Layer(const std::string& content) {
  TestLayer layer;
  layer.Dir("etc").Mode(0700);
  layer.Content("etc/motd", content);
  layer.Symlink("link", "etc/motd");
  return layer;
}

// /one and /more/two are images, /note is a file.
class ComposedFsTest : public ::testing::Test {
 protected:
  ComposedFsTest() {
    fs_.AddPart(kRootIno, "one", Opener(one_, opened_one_));
    const Ino more = fs_.AddDirectory(kRootIno, "more");
    fs_.AddPart(more, "two", Opener(two_, opened_two_));
    fs_.AddPart(more, "broken",
                []() -> Result<std::shared_ptr<const FileSystem>> {
                  return Fail(ErrorCode::kCorrupt, "no such image");
                });
    fs_.AddFile(kRootIno, "note", "hello");
  }

  struct Mounted {
    explicit Mounted(const std::string& content) : image({Layer(content)}) {}
    TestImage image;
    std::unique_ptr<TreeReader> reader =
        TreeReader::Make(image.tree(), image.opener());
    ImageFs fs{image.tree(), *reader};
  };
  static ComposedFs::Opener Opener(Mounted& mounted, int& count) {
    return [&]() -> Result<std::shared_ptr<const FileSystem>> {
      ++count;
      return std::shared_ptr<const FileSystem>(&mounted.fs,
                                               [](const FileSystem*) {});
    };
  }

  Ino At(std::initializer_list<const char*> names) {
    Ino ino = kRootIno;
    for (const char* name : names) {
      const auto st = fs_.Lookup(ino, name);
      EXPECT_TRUE(st) << name;
      if (st) ino = Ino(st->st_ino);
    }
    return ino;
  }
  std::string Contents(Ino ino) {
    const auto bytes = fs_.Read(ino, 0, 1000);
    EXPECT_TRUE(bytes);
    std::string text;
    for (const auto piece : bytes->pieces) {
      text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    return text;
  }
  std::vector<std::string> Names(Ino ino, uint64_t offset = 0) {
    std::vector<std::string> names;
    const Status status = fs_.List(
        ino, offset, [&](const FileSystem::ListedEntry& entry) -> Result<bool> {
          names.emplace_back(entry.name);
          EXPECT_EQ(fs_.Lookup(ino, entry.name)->st_ino, entry.ino.number());
          return true;
        });
    EXPECT_TRUE(status);
    return names;
  }

  Mounted one_{"one"};
  Mounted two_{"two"};
  int opened_one_ = 0;
  int opened_two_ = 0;
  ComposedFs fs_{{.uid = 7, .gid = 8, .mtime = 1000}};
};

TEST_F(ComposedFsTest, ShowsItsParts) {
  EXPECT_EQ(Contents(At({"one", "etc", "motd"})), "one");
  EXPECT_EQ(Contents(At({"more", "two", "etc", "motd"})), "two");
  EXPECT_EQ(*fs_.ReadLink(At({"more", "two", "link"})), "etc/motd");
  EXPECT_EQ(fs_.Attributes(At({"one", "etc"}))->st_mode, S_IFDIR | 0700u);
  EXPECT_THAT(Names(At({"one"})), ElementsAre(".", "..", "etc", "link"));
}

TEST_F(ComposedFsTest, HasNodesOfItsOwn) {
  EXPECT_EQ(Contents(At({"note"})), "hello");
  EXPECT_EQ(fs_.Read(At({"note"}), 3, 10)->size, 2u);
  EXPECT_EQ(fs_.Read(At({"note"}), 9, 10)->size, 0u);
  const auto file = fs_.Attributes(At({"note"}));
  EXPECT_EQ(file->st_size, 5);
  EXPECT_EQ(file->st_mode, S_IFREG | 0644u);
  EXPECT_EQ(file->st_uid, 7u);
  EXPECT_EQ(file->st_mtim.tv_sec, 1000);
  EXPECT_EQ(fs_.Attributes(kRootIno)->st_nlink, 4u);
  EXPECT_EQ(*fs_.Seek(At({"note"}), 1, SEEK_DATA), 1u);
  EXPECT_EQ(*fs_.Seek(At({"note"}), 1, SEEK_HOLE), 5u);
  EXPECT_EQ(*fs_.XattrNames(At({"note"})), "");
  EXPECT_EQ(fs_.Xattr(At({"note"}), "user.x").error().error_number(), ENODATA);
}

TEST_F(ComposedFsTest, GivesEveryInodeANumberOfItsOwn) {
  EXPECT_NE(At({"one", "etc"}), At({"more", "two", "etc"}));
  EXPECT_NE(At({"one"}), kRootIno);
}

TEST_F(ComposedFsTest, GoesUpFromItsParts) {
  EXPECT_EQ(At({"one", ".."}), kRootIno);
  EXPECT_EQ(At({"more", "two", ".."}), At({"more"}));
  EXPECT_EQ(At({"more", "two", "etc", ".."}), At({"more", "two"}));
  EXPECT_EQ(At({"more", ".."}), kRootIno);
}

TEST_F(ComposedFsTest, OpensPartsWhenTheyAreEntered) {
  std::vector<std::string> names;
  ASSERT_TRUE(fs_.List(
      kRootIno, 0, [&](const FileSystem::ListedEntry& entry) -> Result<bool> {
        names.emplace_back(entry.name);
        EXPECT_EQ(entry.name_only,
                  entry.name != "more" && entry.name != "note");
        return true;
      }));
  EXPECT_THAT(names, ElementsAre(".", "..", "one", "more", "note"));
  EXPECT_EQ(opened_one_, 0);
  At({"one", "etc", "motd"});
  At({"one", "link"});
  EXPECT_EQ(opened_one_, 1);
  EXPECT_EQ(opened_two_, 0);
}

TEST_F(ComposedFsTest, ListsFromAnOffset) {
  EXPECT_THAT(Names(kRootIno, 3), ElementsAre("more", "note"));
  EXPECT_TRUE(Names(kRootIno, 5).empty());
}

TEST_F(ComposedFsTest, TellsWhatIsNotThere) {
  EXPECT_EQ(fs_.Lookup(kRootIno, "none").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(fs_.Lookup(At({"one"}), "none").error().code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(fs_.Lookup(At({"more"}), "broken").error().code(),
            ErrorCode::kCorrupt);
  EXPECT_EQ(fs_.Lookup(At({"note"}), "x").error().error_number(), ENOTDIR);
  for (const uint64_t number : {uint64_t{0}, uint64_t{99}, uint64_t{9} << 40}) {
    EXPECT_EQ(fs_.Attributes(Ino(number)).error().code(), ErrorCode::kNotFound);
  }
}

}  // namespace
}  // namespace imgmount
