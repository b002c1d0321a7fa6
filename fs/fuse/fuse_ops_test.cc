// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/fuse_ops.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <stdexcept>

#include "fs/fuse/fake_fuse.h"
#include "fs/view/composed_fs.h"
#include "fs/view/image_fs.h"
#include "tests/support/test_image.h"

namespace imgmount {
namespace {

using testing::FakeFuse;
using testing::TestImage;
using testing::TestLayer;
using testing::Wire;

TestLayer SampleLayer() {
  TestLayer layer;
  layer.Dir("etc");
  layer.Content("etc/motd", "hello\n");
  layer.Symlink("etc/link", "motd");
  layer.Content("large", testing::RandomBytes(100'000, 1));
  layer.SparseContent("sparse", 100'000, {{50'000, "data"}});
  return layer;
}

std::string Name(std::string_view name) { return std::string(name) + '\0'; }

std::string ReadRequest(uint64_t offset, uint32_t size) {
  fuse_read_in in = {};
  in.offset = offset;
  in.size = size;
  return Wire(in);
}

class FuseOpsTest : public ::testing::Test {
 protected:
  explicit FuseOpsTest(const TestLayer& layer = SampleLayer())
      : image_({layer}) {}

  uint64_t ino(std::string_view path) const {
    return image_.ino(path).number();
  }

  TestImage image_;
  std::unique_ptr<TreeReader> reader_ =
      TreeReader::Make(image_.tree(), image_.opener());
  ImageFs fs_{image_.tree(), *reader_};
  std::vector<std::string> log_;
  FuseOpsContext context_{.fs = fs_, .log = [this](std::string_view line) {
                            log_.emplace_back(line);
                          }};
};

TEST_F(FuseOpsTest, IntroducesItselfAsTheDesignSays) {
  FakeFuse kernel(context_);
  const uint32_t flags = kernel.init().flags;
  EXPECT_TRUE(flags & FUSE_DO_READDIRPLUS);
  EXPECT_FALSE(flags & FUSE_READDIRPLUS_AUTO);
  EXPECT_FALSE(flags & FUSE_AUTO_INVAL_DATA);
  EXPECT_TRUE(flags & FUSE_CACHE_SYMLINKS);
  if (::fuse_version() >= 317) {  // earlier ones forget to pass it on
    EXPECT_TRUE(flags & FUSE_PARALLEL_DIROPS);
  }
  EXPECT_TRUE(flags & FUSE_EXPORT_SUPPORT);
  EXPECT_EQ(kernel.init().max_pages, kMaxRead / 4096);
}

TEST_F(FuseOpsTest, LetsTheKernelRememberWhatItLookedUp) {
  FakeFuse kernel(context_);
  const auto found =
      kernel.Call(FUSE_LOOKUP, FUSE_ROOT_ID, Name("etc")).As<fuse_entry_out>();
  EXPECT_EQ(found.nodeid, ino("etc"));
  EXPECT_EQ(found.generation, 0u);
  EXPECT_GT(found.entry_valid, 1'000'000'000u);
  EXPECT_GT(found.attr_valid, 1'000'000'000u);
  EXPECT_EQ(found.attr.mode, S_IFDIR | 0755u);
}

TEST_F(FuseOpsTest, LetsTheKernelRememberThatANameIsNotThere) {
  FakeFuse kernel(context_);
  const auto reply = kernel.Call(FUSE_LOOKUP, FUSE_ROOT_ID, Name("none"));
  EXPECT_EQ(reply.error, 0);
  EXPECT_EQ(reply.As<fuse_entry_out>().nodeid, 0u);
  EXPECT_GT(reply.As<fuse_entry_out>().entry_valid, 1'000'000'000u);
  EXPECT_TRUE(log_.empty());
}

TEST_F(FuseOpsTest, AnswersStat) {
  FakeFuse kernel(context_);
  const auto reply =
      kernel.Call(FUSE_GETATTR, ino("etc/motd"), Wire(fuse_getattr_in{}));
  const auto out = reply.As<fuse_attr_out>();
  EXPECT_EQ(out.attr.ino, ino("etc/motd"));
  EXPECT_EQ(out.attr.size, 6u);
  EXPECT_EQ(out.attr.blksize, 4096u);
  EXPECT_EQ(kernel.Call(FUSE_GETATTR, 4711, Wire(fuse_getattr_in{})).error,
            -ENOENT);
}

TEST_F(FuseOpsTest, ReadsLinks) {
  FakeFuse kernel(context_);
  EXPECT_EQ(kernel.Call(FUSE_READLINK, ino("etc/link"), "").body, "motd");
  EXPECT_NE(kernel.Call(FUSE_READLINK, ino("etc/motd"), "").error, 0);
}

TEST_F(FuseOpsTest, WantsNoOpenWhereTheKernelCanDoWithout) {
  FakeFuse kernel(context_);
  const auto open = Wire(fuse_open_in{});
  EXPECT_EQ(kernel.Call(FUSE_OPEN, ino("large"), open).error, -ENOSYS);
  EXPECT_EQ(kernel.Call(FUSE_OPENDIR, ino("etc"), open).error, -ENOSYS);
}

TEST_F(FuseOpsTest, OpensWhereTheKernelCannotDoWithout) {
  FakeFuse kernel(context_, FUSE_ASYNC_READ);
  const auto open = Wire(fuse_open_in{});
  const auto file = kernel.Call(FUSE_OPEN, ino("large"), open);
  EXPECT_EQ(file.error, 0);
  EXPECT_TRUE(file.As<fuse_open_out>().open_flags & FOPEN_KEEP_CACHE);
  const auto dir = kernel.Call(FUSE_OPENDIR, ino("etc"), open);
  EXPECT_EQ(dir.error, 0);
  EXPECT_TRUE(dir.As<fuse_open_out>().open_flags & FOPEN_CACHE_DIR);
  const auto release = Wire(fuse_release_in{});
  EXPECT_EQ(kernel.Call(FUSE_RELEASE, ino("large"), release).error, 0);
  EXPECT_EQ(kernel.Call(FUSE_RELEASEDIR, ino("etc"), release).error, 0);
}

TEST_F(FuseOpsTest, Reads) {
  FakeFuse kernel(context_);
  const std::string content = testing::RandomBytes(100'000, 1);
  EXPECT_EQ(kernel.Call(FUSE_READ, ino("large"), ReadRequest(0, 65536)).body,
            content.substr(0, 65536));
  EXPECT_EQ(
      kernel.Call(FUSE_READ, ino("large"), ReadRequest(65536, 65536)).body,
      content.substr(65536));
  EXPECT_EQ(
      kernel.Call(FUSE_READ, ino("large"), ReadRequest(1 << 20, 4096)).body,
      "");
  std::string sparse(100'000, '\0');
  sparse.replace(50'000, 4, "data");
  EXPECT_EQ(kernel.Call(FUSE_READ, ino("sparse"), ReadRequest(0, 131072)).body,
            sparse);
}

TEST_F(FuseOpsTest, TellsOfWholeFilesRead) {
  std::vector<Ino> whole;
  context_.on_whole_file_read = [&](Ino ino) { whole.push_back(ino); };
  {
    FakeFuse kernel(context_);
    kernel.Call(FUSE_READ, ino("large"), ReadRequest(0, 65536));
    kernel.Call(FUSE_READ, ino("etc/motd"), ReadRequest(0, 4096));
  }  // the loop has ended
  EXPECT_THAT(whole, ::testing::ElementsAre(image_.ino("etc/motd")));
}

TEST_F(FuseOpsTest, KnowsWhichAnswersAreAtHand) {
  const auto at_once = [&](const FileSystem& fs, uint32_t opcode,
                           const std::string& arguments) {
    fuse_in_header header = {};
    header.opcode = opcode;
    header.nodeid = ino("large");
    const std::string request = Wire(header) + arguments;
    return AnswersAtOnce(fs, std::as_bytes(std::span(request)));
  };
  EXPECT_TRUE(at_once(fs_, FUSE_READDIRPLUS, ""));
  EXPECT_TRUE(at_once(fs_, FUSE_GETXATTR, ""));
  EXPECT_TRUE(at_once(fs_, FUSE_READ, "cut short"));

  EXPECT_FALSE(at_once(fs_, FUSE_READ, ReadRequest(0, 4096)));
  std::string first(4096, '\0');
  ASSERT_TRUE(reader_->Read(image_.ino("large"), 0,
                            std::as_writable_bytes(std::span(first))));
  EXPECT_TRUE(at_once(fs_, FUSE_READ, ReadRequest(0, 4096)));
  EXPECT_TRUE(at_once(fs_, FUSE_READ, ReadRequest(1 << 20, 4096)))
      << "beyond the end";

  EXPECT_FALSE(at_once(ComposedFs({}), FUSE_LOOKUP, ""));
}

TEST_F(FuseOpsTest, AnswersEioForWrongBytes) {
  image_.tar(0).bytes[0] ^= 1;
  FakeFuse kernel(context_);
  EXPECT_EQ(kernel.Call(FUSE_READ, ino("etc/motd"), ReadRequest(0, 4096)).error,
            -EIO);
}

TEST_F(FuseOpsTest, AnswersEioForALayerThatIsMissing) {
  image_.tar(0).refuse_to_open = true;
  FakeFuse kernel(context_);
  EXPECT_EQ(kernel.Call(FUSE_READ, ino("etc/motd"), ReadRequest(0, 4096)).error,
            -EIO);
}

TEST_F(FuseOpsTest, ListsWithAttributes) {
  FakeFuse kernel(context_);
  const std::string body =
      kernel.Call(FUSE_READDIRPLUS, FUSE_ROOT_ID, ReadRequest(0, 8192)).body;
  std::map<std::string, uint64_t> nodes;
  for (size_t at = 0; at < body.size();) {
    fuse_direntplus entry;
    ASSERT_LE(at + FUSE_NAME_OFFSET_DIRENTPLUS, body.size());
    std::memcpy(&entry, body.data() + at, FUSE_NAME_OFFSET_DIRENTPLUS);
    const std::string name =
        body.substr(at + FUSE_NAME_OFFSET_DIRENTPLUS, entry.dirent.namelen);
    nodes[name] = entry.entry_out.nodeid;
    if (nodes[name] != 0) {
      EXPECT_GT(entry.entry_out.attr_valid, 1'000'000'000u);
    }
    EXPECT_EQ(entry.entry_out.attr.mode >> 12, entry.dirent.type);
    at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + entry.dirent.namelen);
  }
  EXPECT_THAT(nodes, ::testing::ElementsAre(
                         ::testing::Pair(".", 0), ::testing::Pair("..", 0),
                         ::testing::Pair("etc", ino("etc")),
                         ::testing::Pair("large", ino("large")),
                         ::testing::Pair("sparse", ino("sparse"))));
}

TEST_F(FuseOpsTest, ListsInPiecesThatFit) {
  FakeFuse kernel(context_);
  std::vector<std::string> names;
  uint64_t offset = 0;
  while (true) {
    // Room for one entry at a time.
    const std::string body =
        kernel.Call(FUSE_READDIR, FUSE_ROOT_ID, ReadRequest(offset, 40)).body;
    if (body.empty()) break;
    fuse_dirent entry = {};
    ASSERT_EQ(body.copy(reinterpret_cast<char*>(&entry), FUSE_NAME_OFFSET),
              FUSE_NAME_OFFSET);
    ASSERT_EQ(body.size(), FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen));
    names.push_back(body.substr(FUSE_NAME_OFFSET, entry.namelen));
    offset = entry.off;
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre(".", "..", "etc", "large",
                                                     "sparse"));
}

TEST_F(FuseOpsTest, AnswersDf) {
  FakeFuse kernel(context_);
  const auto out =
      kernel.Call(FUSE_STATFS, FUSE_ROOT_ID, "").As<fuse_statfs_out>();
  EXPECT_EQ(out.st.files, image_.tree().inode_count());
  EXPECT_EQ(out.st.namelen, 255u);
}

TEST_F(FuseOpsTest, AreNotAskedForXattrsThatNoFileHas) {
  FakeFuse kernel(context_);
  fuse_getxattr_in get = {};
  get.size = 100;
  EXPECT_EQ(kernel.Call(FUSE_GETXATTR, ino("large"), Wire(get) + Name("user.a"))
                .error,
            -ENOSYS);
  const auto list = kernel.Call(FUSE_LISTXATTR, ino("large"), Wire(get));
  EXPECT_EQ(list.error, 0);
  EXPECT_EQ(list.body, "");
}

class FuseOpsXattrTest : public FuseOpsTest {
 protected:
  FuseOpsXattrTest() : FuseOpsTest(Layer()) {}
  static TestLayer Layer() {
    TestLayer layer;
    layer.Content("file", "x").WithXattr("security.capability", "binary\0v");
    layer.WithXattr("user.empty", "");
    layer.Content("other", "x");
    return layer;
  }
};

TEST_F(FuseOpsXattrTest, ShowsThemInTheSizesAskedFor) {
  FakeFuse kernel(context_);
  const auto get = [&](std::string_view name, uint32_t size) {
    fuse_getxattr_in in = {};
    in.size = size;
    return kernel.Call(FUSE_GETXATTR, ino("file"), Wire(in) + Name(name));
  };
  EXPECT_EQ(get("security.capability", 0).As<fuse_getxattr_out>().size, 6u);
  EXPECT_EQ(get("security.capability", 6).body, "binary");
  EXPECT_EQ(get("security.capability", 5).error, -ERANGE);
  EXPECT_EQ(get("user.empty", 10).error, 0);
  EXPECT_EQ(get("user.none", 10).error, -ENODATA);
  fuse_getxattr_in list = {};
  list.size = 100;
  EXPECT_EQ(kernel.Call(FUSE_LISTXATTR, ino("file"), Wire(list)).body,
            Name("security.capability") + Name("user.empty"));
  EXPECT_EQ(kernel.Call(FUSE_LISTXATTR, ino("other"), Wire(list)).body, "");
}

TEST_F(FuseOpsTest, FindsDataAndHoles) {
  FakeFuse kernel(context_);
  const auto seek = [&](int64_t offset, uint32_t whence) {
    fuse_lseek_in in = {};
    in.offset = static_cast<uint64_t>(offset);
    in.whence = whence;
    return kernel.Call(FUSE_LSEEK, ino("sparse"), Wire(in));
  };
  EXPECT_EQ(seek(0, SEEK_DATA).As<fuse_lseek_out>().offset, 50'000u);
  EXPECT_EQ(seek(50'001, SEEK_HOLE).As<fuse_lseek_out>().offset, 50'004u);
  EXPECT_EQ(seek(60'000, SEEK_DATA).error, -ENXIO);
  EXPECT_EQ(seek(-1, SEEK_DATA).error, -ENXIO);
}

TEST_F(FuseOpsTest, GrantsAccessOnceAndForAll) {
  FakeFuse kernel(context_);
  EXPECT_EQ(
      kernel.Call(FUSE_ACCESS, ino("large"), Wire(fuse_access_in{})).error,
      -ENOSYS);
}

TEST_F(FuseOpsTest, RefusesEveryModification) {
  FakeFuse kernel(context_);
  const uint64_t file = ino("large");
  const uint64_t root = FUSE_ROOT_ID;
  const std::string a = Name("a");
  const std::string b = Name("b");
  const auto error = [&](uint32_t opcode, uint64_t inode,
                         const std::string& body) {
    return kernel.Call(opcode, inode, body).error;
  };
  EXPECT_EQ(error(FUSE_SETATTR, file, Wire(fuse_setattr_in{})), -EROFS);
  EXPECT_EQ(error(FUSE_MKNOD, root, Wire(fuse_mknod_in{}) + a), -EROFS);
  EXPECT_EQ(error(FUSE_MKDIR, root, Wire(fuse_mkdir_in{}) + a), -EROFS);
  EXPECT_EQ(error(FUSE_UNLINK, root, a), -EROFS);
  EXPECT_EQ(error(FUSE_RMDIR, root, a), -EROFS);
  EXPECT_EQ(error(FUSE_SYMLINK, root, a + b), -EROFS);
  EXPECT_EQ(error(FUSE_RENAME, root, Wire(fuse_rename_in{root}) + a + b),
            -EROFS);
  EXPECT_EQ(error(FUSE_LINK, root, Wire(fuse_link_in{file}) + a), -EROFS);
  EXPECT_EQ(error(FUSE_CREATE, root, Wire(fuse_create_in{}) + a), -EROFS);
  EXPECT_EQ(error(FUSE_WRITE, file, Wire(fuse_write_in{})), -EROFS);
  EXPECT_EQ(error(FUSE_FALLOCATE, file, Wire(fuse_fallocate_in{})), -EROFS);
  EXPECT_EQ(error(FUSE_COPY_FILE_RANGE, file, Wire(fuse_copy_file_range_in{})),
            -EROFS);
  EXPECT_EQ(error(FUSE_REMOVEXATTR, file, a), -EROFS);
  // The old form of the request: size and flags.
  const uint32_t set[2] = {0, 0};
  EXPECT_EQ(error(FUSE_SETXATTR, file, Wire(set) + a), -EROFS);
  fuse_open_in open = {};
  open.flags = O_RDWR;
  EXPECT_EQ(error(FUSE_OPEN, file, Wire(open)), -EROFS);
}

TEST_F(FuseOpsTest, ForgetsWithoutAnAnswer) {
  FakeFuse kernel(context_);
  kernel.Send(FUSE_FORGET, ino("large"), Wire(fuse_forget_in{1}));
  const fuse_batch_forget_in batch = {1, 0};
  kernel.Send(FUSE_BATCH_FORGET, 0,
              Wire(batch) + Wire(fuse_forget_one{ino("large"), 1}));
  EXPECT_EQ(kernel.Call(FUSE_READLINK, ino("etc/link"), "").body, "motd");
}

// A tree whose every answer is an exception, as an allocation that fails.
class ThrowingTree : public UnionTree {
 public:
  uint64_t inode_count() const override { return 1; }
  uint64_t total_bytes() const override { return 0; }
  bool any_xattrs() const override { return true; }
  Result<Inode> Get(Ino) const override { throw std::bad_alloc(); }
  Result<Ino> Lookup(Ino, std::string_view) const override {
    throw std::runtime_error("lookup");
  }
  Result<uint64_t> EntryCount(Ino) const override { throw std::bad_alloc(); }
  Result<DirEntry> Entry(Ino, uint64_t) const override {
    throw std::bad_alloc();
  }
  Result<std::string_view> SymlinkTarget(Ino) const override {
    throw std::bad_alloc();
  }
  Result<std::vector<imgmount::Xattr>> Xattrs(Ino) const override {
    throw std::bad_alloc();
  }
  Result<std::vector<Extent>> Extents(Ino) const override {
    throw std::bad_alloc();
  }
  Status VerifyAll() const override { return {}; }
};

TEST(FuseOps, AnswerEioForAnException) {
  const ThrowingTree tree;
  const auto reader = TreeReader::Make(tree, {});
  const ImageFs fs(tree, *reader);
  std::vector<std::string> log;
  {
    FuseOpsContext context{.fs = fs, .log = [&](std::string_view line) {
                             log.emplace_back(line);
                           }};
    FakeFuse kernel(context);
    EXPECT_EQ(kernel.Call(FUSE_LOOKUP, 1, Name("x")).error, -EIO);
    EXPECT_EQ(kernel.Call(FUSE_GETATTR, 1, Wire(fuse_getattr_in{})).error,
              -EIO);
    EXPECT_EQ(kernel.Call(FUSE_READLINK, 1, "").error, -EIO);
    EXPECT_EQ(kernel.Call(FUSE_READ, 1, ReadRequest(0, 10)).error, -EIO);
    EXPECT_EQ(kernel.Call(FUSE_READDIRPLUS, 1, ReadRequest(0, 4096)).error,
              -EIO);
    EXPECT_EQ(kernel.Call(FUSE_LISTXATTR, 1, Wire(fuse_getxattr_in{})).error,
              -EIO);
  }
  EXPECT_THAT(log, ::testing::Contains("lookup of inode 1: lookup"));
}

}  // namespace
}  // namespace imgmount
