// SPDX-License-Identifier: Apache-2.0
#include "fs/view/image_fs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/support/test_image.h"

namespace imgmount {
namespace {

using testing::TestImage;
using testing::TestLayer;

class ImageFsTest : public ::testing::Test {
 protected:
  static TestLayer Layer() {
    TestLayer layer;
    layer.Dir("etc").Owner(1, 2);
    layer.Content("etc/motd", "hello\n").Mode(04755).Mtime(-5, 500);
    layer.Link("etc/same", "etc/motd");
    layer.Symlink("etc/link", "motd");
    layer.Device(EntryType::kCharDevice, "null", 1, 300);
    layer.SparseContent("sparse", 1 << 20, {{4096, "x"}, {8192, "y"}});
    layer.Dir("empty");
    layer.Content("labelled", "1").WithXattr("user.a", "b");
    layer.WithXattr("user.empty", "");
    return layer;
  }

  std::vector<std::string> Names(Ino directory, uint64_t from = 0,
                                 size_t at_most = 100) {
    std::vector<std::string> names;
    const auto status =
        fs_.List(directory, from,
                 [&](const ImageFs::ListedEntry& entry) -> Result<bool> {
                   names.emplace_back(entry.name);
                   offsets_.push_back(entry.next);
                   return names.size() < at_most;
                 });
    EXPECT_TRUE(status);
    return names;
  }

  TestImage image_{{Layer()}};
  std::unique_ptr<TreeReader> reader_ =
      TreeReader::Make(image_.tree(), image_.opener());
  ImageFs fs_{image_.tree(), *reader_};
  std::vector<uint64_t> offsets_;
};

TEST_F(ImageFsTest, AnswersStatAsALocalFileSystemWould) {
  const auto st = fs_.Attributes(image_.ino("etc/motd"));
  ASSERT_TRUE(st);
  EXPECT_EQ(st->st_ino, image_.ino("etc/motd").number());
  EXPECT_EQ(st->st_mode, S_IFREG | 04755u);
  EXPECT_EQ(st->st_nlink, 2u);
  EXPECT_EQ(st->st_size, 6);
  EXPECT_EQ(st->st_blocks, 8);
  EXPECT_EQ(st->st_mtim.tv_sec, -5);
  EXPECT_EQ(st->st_mtim.tv_nsec, 500);
  const auto dir = fs_.Attributes(image_.ino("etc"));
  EXPECT_EQ(dir->st_uid, 1u);
  EXPECT_EQ(dir->st_gid, 2u);
  const auto device = fs_.Attributes(image_.ino("null"));
  EXPECT_EQ(device->st_rdev, makedev(1, 300));
  EXPECT_EQ(fs_.Attributes(Ino(9999)).error().code(), ErrorCode::kNotFound);
}

TEST_F(ImageFsTest, CountsNoBlocksForHoles) {
  EXPECT_EQ(fs_.Attributes(image_.ino("sparse"))->st_blocks, 8);
  EXPECT_EQ(fs_.Attributes(image_.ino("sparse"))->st_size, 1 << 20);
}

TEST_F(ImageFsTest, ShowsAnotherOwnerWhenAsked) {
  const ImageFs fs(image_.tree(), *reader_, {.uid = 1000, .gid = std::nullopt});
  EXPECT_EQ(fs.Attributes(image_.ino("etc"))->st_uid, 1000u);
  EXPECT_EQ(fs.Attributes(image_.ino("etc"))->st_gid, 2u);
}

TEST_F(ImageFsTest, LooksUpNames) {
  const Ino etc = image_.ino("etc");
  EXPECT_EQ(fs_.Lookup(kRootIno, "etc")->st_ino, etc.number());
  EXPECT_EQ(fs_.Lookup(etc, "same")->st_ino, fs_.Lookup(etc, "motd")->st_ino);
  EXPECT_EQ(fs_.Lookup(etc, "none").error().code(), ErrorCode::kNotFound);
}

TEST_F(ImageFsTest, LooksUpDotsForNfs) {
  const Ino etc = image_.ino("etc");
  EXPECT_EQ(fs_.Lookup(etc, ".")->st_ino, etc.number());
  EXPECT_EQ(fs_.Lookup(etc, "..")->st_ino, kRootIno.number());
  EXPECT_EQ(fs_.Lookup(kRootIno, "..")->st_ino, kRootIno.number());
  const Ino motd = image_.ino("etc/motd");
  EXPECT_EQ(fs_.Lookup(motd, ".")->st_ino, motd.number());
  EXPECT_EQ(fs_.Lookup(motd, "..").error().error_number(), ENOTDIR);
}

TEST_F(ImageFsTest, ListsFromAnyOffsetItGave) {
  const Ino etc = image_.ino("etc");
  const auto all = Names(etc);
  EXPECT_THAT(
      all, ::testing::UnorderedElementsAre(".", "..", "motd", "same", "link"));
  EXPECT_EQ(all[0], ".");
  EXPECT_EQ(all[1], "..");
  const auto offsets = std::exchange(offsets_, {});
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(Names(etc, offsets[i]),
              std::vector<std::string>(all.begin() + i + 1, all.end()));
  }
  EXPECT_THAT(Names(etc, 1000), ::testing::IsEmpty());
  EXPECT_EQ(Names(etc, 0, 2).size(), 2u);
  EXPECT_THAT(Names(image_.ino("empty")), ::testing::ElementsAre(".", ".."));
}

TEST_F(ImageFsTest, ReadsLinks) {
  EXPECT_EQ(*fs_.ReadLink(image_.ino("etc/link")), "motd");
  EXPECT_FALSE(fs_.ReadLink(image_.ino("etc/motd")));
}

TEST_F(ImageFsTest, FindsDataAndHoles) {
  const Ino sparse = image_.ino("sparse");
  const auto data = [&](uint64_t at) {
    return fs_.Seek(sparse, at, SEEK_DATA);
  };
  const auto hole = [&](uint64_t at) {
    return fs_.Seek(sparse, at, SEEK_HOLE);
  };
  EXPECT_EQ(*data(0), 4096u);
  EXPECT_EQ(*data(4096), 4096u);
  EXPECT_EQ(*data(4097), 8192u);
  EXPECT_EQ(data(8193).error().error_number(), ENXIO);
  EXPECT_EQ(*hole(0), 0u);
  EXPECT_EQ(*hole(4096), 4097u);
  EXPECT_EQ(*hole(8192), 8193u);
  EXPECT_EQ(hole(1 << 20).error().error_number(), ENXIO);
  EXPECT_EQ(fs_.Seek(sparse, 0, SEEK_CUR).error().error_number(), EINVAL);

  const Ino motd = image_.ino("etc/motd");
  EXPECT_EQ(*fs_.Seek(motd, 3, SEEK_DATA), 3u);
  EXPECT_EQ(*fs_.Seek(motd, 3, SEEK_HOLE), 6u);
  EXPECT_EQ(fs_.Seek(motd, 6, SEEK_DATA).error().error_number(), ENXIO);
}

TEST_F(ImageFsTest, ShowsXattrs) {
  const Ino labelled = image_.ino("labelled");
  EXPECT_TRUE(fs_.any_xattrs());
  EXPECT_EQ(*fs_.XattrNames(labelled), std::string("user.a\0user.empty\0", 18));
  EXPECT_EQ(*fs_.Xattr(labelled, "user.a"), "b");
  EXPECT_EQ(*fs_.Xattr(labelled, "user.empty"), "");
  EXPECT_EQ(fs_.Xattr(labelled, "user").error().error_number(), ENODATA);
  EXPECT_EQ(*fs_.XattrNames(image_.ino("etc")), "");
}

TEST_F(ImageFsTest, AnswersDf) {
  const struct statvfs st = fs_.Statistics();
  EXPECT_EQ(st.f_files, image_.tree().inode_count());
  EXPECT_GE(st.f_blocks * st.f_frsize, image_.tree().total_bytes());
  EXPECT_EQ(st.f_bfree, 0u);
  EXPECT_TRUE((st.f_flag & ST_RDONLY) != 0);
}

}  // namespace
}  // namespace imgmount
