// SPDX-License-Identifier: Apache-2.0
// The tree file: what it stores, and that nothing but that is ever shown.
#include "meta/union/tree_file.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "meta/base/file.h"
#include "meta/union/layer_builder.h"
#include "meta/union/tree_format.h"
#include "meta/union/tree_seal.h"
#include "meta/union/union_tree.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::LayerBuilder;
using testing::SealTree;
using testing::TemporaryFolder;

std::string MergedBytes(const std::vector<LayerBuilder>& builders) {
  const TemporaryFolder folder;
  std::vector<LayerIndex> layers;
  std::vector<const LayerIndex*> pointers;
  for (const LayerBuilder& b : builders) layers.push_back(b.Build());
  for (const LayerIndex& layer : layers) pointers.push_back(&layer);
  const auto path = folder.path() / "tree";
  const auto merged = Merge(pointers, path);
  EXPECT_TRUE(merged) << merged.error().message();
  return *ReadFile(path, 1 << 30);
}

Result<std::unique_ptr<TreeFile>> OpenBytes(const std::string& bytes) {
  return TreeFile::Open(std::as_bytes(std::span(bytes)));
}

// A little of everything.
std::vector<LayerBuilder> Sample() {
  return {LayerBuilder()
              .Dir("")
              .Dir("bin")
              .Mode(01777)
              .File("bin/sh", 1000)
              .Mode(04755)
              .WithXattr("security.capability", std::string("\1\0\2", 3))
              .Link("bin/dash", "bin/sh")
              .Symlink("sh", "bin/sh")
              .Device(EntryType::kCharDevice, "null", 1, 3)
              .Special(EntryType::kFifo, "fifo"),
          LayerBuilder()
              .File("empty", 0)
              .Owner(1000, 1001)
              .Mtime(-5, 999'999'999)
              .File("sparse", 10'000)
              .Sparse({{0, 10, 512}, {9000, 1000, 522}})
              .File("etc/motd", 5)
              .WithXattr("user.a", "")
              .WithXattr("user.b", "x y")};
}

std::vector<std::string> Names(const UnionTree& tree, Ino directory) {
  std::vector<std::string> names;
  for (uint64_t i = 0; i < *tree.EntryCount(directory); ++i) {
    names.emplace_back(tree.Entry(directory, i)->name);
  }
  return names;
}

TEST(TreeFile, DumpShowsAllAttributes) {
  const std::string bytes = MergedBytes(Sample());
  const auto tree = *OpenBytes(bytes);
  EXPECT_EQ(
      *tree->Dump(),
      "/ dir 0755 0:0 0.000000000 0 nlink=4\n"
      "/bin dir 1777 0:0 0.000000000 0 nlink=2\n"
      "/bin/dash file 4755 0:0 0.000000000 0 size=1000 nlink=2 same=/bin/dash "
      "\"security.capability\"=\"\\x01\\x00\\x02\"\n"
      "/bin/sh file 4755 0:0 0.000000000 0 size=1000 nlink=2 same=/bin/dash "
      "\"security.capability\"=\"\\x01\\x00\\x02\"\n"
      "/empty file 0644 1000:1001 -5.999999999 1 size=0\n"
      "/etc dir 0755 0:0 0.000000000 - nlink=2\n"
      "/etc/motd file 0644 0:0 0.000000000 1 size=5 "
      "\"user.a\"=\"\" \"user.b\"=\"x\\x20y\"\n"
      "/fifo fifo 0644 0:0 0.000000000 0\n"
      "/null char 0644 0:0 0.000000000 0 device=1:3\n"
      "/sh link 0777 0:0 0.000000000 0 target=bin/sh\n"
      "/sparse file 0644 0:0 0.000000000 1 size=10000 extent=0+10 "
      "extent=9000+1000\n");
  EXPECT_EQ(tree->total_bytes(), 11'005u);
  EXPECT_TRUE(tree->any_xattrs());
}

TEST(TreeFile, SameLayersGiveTheSameBytes) {
  EXPECT_EQ(MergedBytes(Sample()), MergedBytes(Sample()));
}

TEST(TreeFile, EntriesComeInTheOrderOfTheirData) {
  const std::string bytes =
      MergedBytes({LayerBuilder()
                       .Dir("z-first")
                       .Dir("late")
                       .File("m")
                       .File("z-first/x")
                       .File("a")
                       .File("late/x"),
                   LayerBuilder().File("0").Dir("z-first")});
  const auto tree = *OpenBytes(bytes);
  EXPECT_THAT(Names(*tree, kRootIno),
              ElementsAre("m", "z-first", "a", "late", "0"));
}

TEST(TreeFile, WalkReadsInodesForward) {
  LayerBuilder layer;
  for (int i = 0; i < 300; ++i) {
    layer.File(fmt::format("d{}/e{}/f{}", i % 3, i % 7, i));
  }
  const std::string bytes = MergedBytes({layer});
  const auto tree = *OpenBytes(bytes);
  uint64_t expected = kRootIno.number();
  const std::function<void(Ino)> walk = [&](Ino directory) {
    const uint64_t count = *tree->EntryCount(directory);
    for (uint64_t i = 0; i < count; ++i) {
      EXPECT_EQ(tree->Entry(directory, i)->ino.number(), ++expected);
    }
    for (uint64_t i = 0; i < count; ++i) {
      const DirEntry entry = *tree->Entry(directory, i);
      if (entry.type == S_IFDIR) walk(entry.ino);
    }
  };
  walk(kRootIno);
  EXPECT_EQ(expected, tree->inode_count());
}

TEST(TreeFile, LookupFindsEveryNameAndNoOther) {
  LayerBuilder layer;
  for (int i = 0; i < 5000; ++i) layer.File(fmt::format("d/{}", i * 7919));
  const std::string bytes = MergedBytes({layer});
  const auto tree = *OpenBytes(bytes);
  const Ino directory = *tree->Resolve("d");
  for (uint64_t i = 0; i < 5000; ++i) {
    const DirEntry entry = *tree->Entry(directory, i);
    EXPECT_EQ(*tree->Lookup(directory, entry.name), entry.ino);
    for (const std::string& other :
         {std::string(entry.name) + 'x',
          std::string(entry.name.substr(1)) + '\0', std::string()}) {
      const auto found = tree->Lookup(directory, other);
      ASSERT_FALSE(found);
      EXPECT_EQ(found.error().code(), ErrorCode::kNotFound);
    }
  }
}

TEST(TreeFile, ExtentsSayWhereBytesLie) {
  const std::string bytes = MergedBytes(Sample());
  const auto tree = *OpenBytes(bytes);
  const auto extents = [&](std::string_view path) {
    return *tree->Extents(*tree->Resolve(path));
  };
  EXPECT_THAT(extents("bin/sh"), ElementsAre(Extent{0, 1000, 512}));
  EXPECT_THAT(extents("empty"), IsEmpty());
  EXPECT_THAT(extents("sparse"),
              ElementsAre(Extent{0, 10, 512}, Extent{9000, 1000, 522}));
}

TEST(TreeFile, FileOfHolesHasNoExtents) {
  const std::string bytes =
      MergedBytes({LayerBuilder().File("hole", uint64_t{1} << 40).Sparse({})});
  const auto tree = *OpenBytes(bytes);
  EXPECT_EQ(tree->Get(Ino(2))->size, uint64_t{1} << 40);
  EXPECT_THAT(*tree->Extents(Ino(2)), IsEmpty());
}

TEST(TreeFile, EqualXattrSetsAreStoredOnce) {
  LayerBuilder layer;
  const auto size = [&] { return MergedBytes({layer}).size(); };
  layer.File("a").WithXattr("user.k", std::string(5000, 'v'));
  const size_t one = size();
  layer.File("b").WithXattr("user.k", std::string(5000, 'v'));
  EXPECT_LT(size(), one + 100);
}

TEST(TreeFile, UnknownInodesAndWrongTypesAreNotFound) {
  const std::string bytes = MergedBytes({LayerBuilder().File("f").Dir("d")});
  const auto tree = *OpenBytes(bytes);
  for (const uint64_t ino : {uint64_t{0}, uint64_t{4}, UINT64_MAX}) {
    const auto got = tree->Get(Ino(ino));
    ASSERT_FALSE(got);
    EXPECT_EQ(ToErrno(got.error()), ENOENT);
  }
  const Ino file = *tree->Resolve("f");
  EXPECT_EQ(ToErrno(tree->EntryCount(file).error()), ENOTDIR);
  EXPECT_EQ(ToErrno(tree->Entry(file, 0).error()), ENOTDIR);
  EXPECT_EQ(ToErrno(tree->Lookup(file, "x").error()), ENOTDIR);
  EXPECT_EQ(ToErrno(tree->Resolve("f/x").error()), ENOTDIR);
  EXPECT_EQ(ToErrno(tree->SymlinkTarget(file).error()), EINVAL);
  EXPECT_EQ(ToErrno(tree->Extents(*tree->Resolve("d")).error()), EINVAL);
  EXPECT_EQ(ToErrno(tree->Entry(kRootIno, 2).error()), ENOENT);
}

TEST(TreeFile, MissingFileIsNotFound) {
  const auto tree = UnionTree::Open("/nonexistent/tree");
  ASSERT_FALSE(tree);
  EXPECT_EQ(tree.error().code(), ErrorCode::kNotFound);
}

TEST(TreeFile, ManyThreadsMayTouchItFirst) {
  LayerBuilder layer;
  for (int i = 0; i < 3000; ++i) layer.File(fmt::format("d{}/f{}", i % 50, i));
  const std::string bytes = MergedBytes({layer});
  const auto tree = *OpenBytes(bytes);
  const std::string expected = *(*OpenBytes(bytes))->Dump();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(*tree->Dump(), expected); });
  }
  for (std::thread& thread : threads) thread.join();
}

// --- Damage
// --------------------------------------------------------------------

TEST(TreeFile, AnyFlippedByteIsNoticed) {
  std::string bytes = MergedBytes(Sample());
  const std::string dump = *(*OpenBytes(bytes))->Dump();
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= 1 << i % 8;
    const auto tree = OpenBytes(bytes);
    if (tree) {
      const auto verified = (*tree)->VerifyAll();
      ASSERT_FALSE(verified) << "byte " << i;
      EXPECT_EQ(verified.error().code(), ErrorCode::kCorrupt);
    } else {
      EXPECT_EQ(tree.error().code(), ErrorCode::kCorrupt);
    }
    bytes[i] ^= 1 << i % 8;
  }
}

TEST(TreeFile, AnyOtherLengthIsRefused) {
  const std::string bytes = MergedBytes(Sample());
  for (size_t length = 0; length < bytes.size(); length += 7) {
    const std::string cut = bytes.substr(0, length);
    const auto tree = OpenBytes(cut);
    ASSERT_FALSE(tree) << length;
    EXPECT_EQ(tree.error().code(), ErrorCode::kCorrupt);
  }
  EXPECT_FALSE(OpenBytes(bytes + '\0'));
  EXPECT_FALSE(OpenBytes(bytes + bytes));
}

TEST(TreeFile, DamagedBlockSpoilsOnlyWhatLiesInIt) {
  LayerBuilder layer;
  for (int i = 0; i < 5000; ++i) layer.File(fmt::format("{}", i));
  std::string bytes = MergedBytes({layer});
  bytes[kTreeHeaderBytes + kTreeBlockBytes + 5] ^= 1;
  // Records that lie in this block with any of their bytes.
  const uint64_t first = kTreeBlockBytes / sizeof(InodeRecord) + 1;
  const uint64_t last = (2 * kTreeBlockBytes - 1) / sizeof(InodeRecord) + 1;
  const auto tree = *OpenBytes(bytes);
  EXPECT_TRUE(tree->Get(Ino(first - 1)));
  EXPECT_TRUE(tree->Get(Ino(last + 1)));
  EXPECT_EQ(ToErrno(tree->Get(Ino(first)).error()), EIO);
  EXPECT_EQ(ToErrno(tree->Get(Ino(last)).error()), EIO);
  EXPECT_TRUE(tree->Lookup(kRootIno, "1500"));
  EXPECT_EQ(tree->Dump().error().code(), ErrorCode::kCorrupt);
}

// --- Lies with right checksums
// ------------------------------------------------

class TreeLies : public ::testing::Test {
 protected:
  TreeLies() : bytes_(MergedBytes(Sample())) {
    std::memcpy(&header_, bytes_.data(), sizeof header_);
  }
  // Changes record `i` of a section.
  template <typename T>
  void Change(TreeSectionId section, size_t i,
              const std::function<void(T&)>& change) {
    char* at = bytes_.data() + kTreeHeaderBytes +
               header_.sections[section].offset + i * sizeof(T);
    T record;
    std::memcpy(&record, at, sizeof record);
    change(record);
    std::memcpy(at, &record, sizeof record);
    SealTree(bytes_);
  }
  // Its traits are changed for all that share them.
  void ChangeInode(Ino ino,
                   const std::function<void(FullInodeRecord&)>& change) {
    FullInodeRecord full;
    Change<InodeRecord>(kInodes, ino.number() - 1, [&](InodeRecord& inode) {
      static_cast<InodeRecord&>(full) = inode;
    });
    Change<TraitsRecord>(kTraits, full.traits, [&](TraitsRecord& traits) {
      static_cast<TraitsRecord&>(full) = traits;
      change(full);
      traits = full;
    });
    Change<InodeRecord>(kInodes, ino.number() - 1,
                        [&](InodeRecord& inode) { inode = full; });
  }
  void ChangeInode(std::string_view path,
                   const std::function<void(FullInodeRecord&)>& change) {
    ChangeInode(*(*OpenBytes(bytes_))->Resolve(path), change);
  }
  ErrorCode DumpError() {
    const auto tree = OpenBytes(bytes_);
    EXPECT_TRUE(tree) << tree.error().message();
    const auto dump = (*tree)->Dump();
    return dump ? ErrorCode::kInternal : dump.error().code();
  }

  std::string bytes_;
  TreeHeader header_;
};

TEST_F(TreeLies, SealingAnIntactFileChangesNothing) {
  const std::string before = bytes_;
  SealTree(bytes_);
  EXPECT_EQ(bytes_, before);
}

TEST_F(TreeLies, OpenChecksSectionsAndCounts) {
  const auto refused = [&](const std::function<void(TreeHeader&)>& change) {
    std::string bytes = bytes_;
    TreeHeader header = header_;
    change(header);
    std::memcpy(bytes.data(), &header, sizeof header);
    SealTree(bytes);
    return !OpenBytes(bytes);
  };
  EXPECT_FALSE(refused([](TreeHeader&) {}));
  EXPECT_TRUE(refused([](TreeHeader& h) { h.inode_count = 0; }));
  EXPECT_TRUE(refused([](TreeHeader& h) { ++h.inode_count; }));
  EXPECT_TRUE(refused([](TreeHeader& h) { ++h.dirent_count; }));
  EXPECT_TRUE(refused([](TreeHeader& h) { h.dirent_count += 1ULL << 62; }));
  for (size_t i = 0; i < kSectionCount; ++i) {
    EXPECT_TRUE(refused([&](TreeHeader& h) { h.sections[i].length = ~0ULL; }));
    EXPECT_TRUE(refused([&](TreeHeader& h) { h.sections[i].offset = ~7ULL; }));
    EXPECT_TRUE(refused([&](TreeHeader& h) { h.sections[i].offset += 1; }));
  }
  EXPECT_TRUE(refused(
      [](TreeHeader& h) { h.inode_count = h.sections[kInodes].length = 0; }));
}

TEST_F(TreeLies, RootMustBeADirectory) {
  ChangeInode(kRootIno, [](FullInodeRecord& r) { r.mode = S_IFREG | 0644; });
  EXPECT_FALSE(OpenBytes(bytes_));
}

TEST_F(TreeLies, DirentsOutOfBounds) {
  for (const uint64_t first : {uint64_t{1} << 40, ~uint64_t{0}}) {
    ChangeInode("", [&](FullInodeRecord& r) { r.data = first; });
    EXPECT_EQ(DumpError(), ErrorCode::kCorrupt);
  }
  bytes_ = MergedBytes(Sample());
  ChangeInode("bin", [](FullInodeRecord& r) { r.count = ~0U; });
  EXPECT_EQ(DumpError(), ErrorCode::kCorrupt);
}

TEST_F(TreeLies, DirectoriesInACircle) {
  Change<DirentRecord>(kDirents, 0, [](DirentRecord& d) {
    d.ino = 1;
    d.type = S_IFDIR >> 12;
  });
  EXPECT_EQ(DumpError(), ErrorCode::kCorrupt);
}

TEST_F(TreeLies, NamesOutOfBounds) {
  Change<DirentRecord>(kDirents, 1,
                       [](DirentRecord& d) { d.name_offset = ~0U; });
  EXPECT_EQ(DumpError(), ErrorCode::kCorrupt);
  Change<DirentRecord>(kDirents, 1, [](DirentRecord& d) {
    d.name_offset = 0;
    d.name_length = 0;
  });
  EXPECT_EQ(DumpError(), ErrorCode::kCorrupt);
}

TEST_F(TreeLies, OrderOfNamesOutOfBounds) {
  for (size_t i = 0; i < header_.dirent_count; ++i) {
    Change<uint32_t>(kByName, i, [](uint32_t& position) { position = 1000; });
  }
  const auto tree = *OpenBytes(bytes_);
  EXPECT_EQ(tree->Lookup(kRootIno, "bin").error().code(), ErrorCode::kCorrupt);
}

TEST_F(TreeLies, InodesOfDirentsOutOfBounds) {
  for (const uint32_t ino : {0U, 1000U, ~0U}) {
    Change<DirentRecord>(kDirents, 0, [&](DirentRecord& d) { d.ino = ino; });
    EXPECT_EQ(DumpError(), ErrorCode::kCorrupt);
  }
}

TEST_F(TreeLies, FieldsOfInodesOutOfBounds) {
  struct Lie {
    std::string path;
    std::function<void(FullInodeRecord&)> change;
  };
  const std::vector<Lie> lies = {
      {"sh", [](FullInodeRecord& r) { r.size = ~0ULL; }},
      {"sh", [](FullInodeRecord& r) { r.data = ~0ULL; }},
      {"sh", [](FullInodeRecord& r) { r.mode = 0; }},
      {"bin", [](FullInodeRecord& r) { r.size = 0; }},
      {"bin", [](FullInodeRecord& r) { r.size = ~0U; }},
      {"bin", [](FullInodeRecord& r) { r.traits = ~0U; }},
      {"bin/sh", [](FullInodeRecord& r) { r.xattrs = ~0U; }},
      {"bin/sh", [](FullInodeRecord& r) { r.xattrs += 1; }},
      {"bin/sh", [](FullInodeRecord& r) { r.size = ~0ULL; }},
      {"bin/sh", [](FullInodeRecord& r) { r.data = ~0ULL; }},
      {"empty",
       [](FullInodeRecord& r) { r.mtime_nanoseconds = 1'000'000'000; }},
      {"sparse", [](FullInodeRecord& r) { r.count = 3; }},
      {"sparse", [](FullInodeRecord& r) { r.data = ~0ULL; }},
      {"sparse", [](FullInodeRecord& r) { r.size = 9999; }},
  };
  for (const Lie& lie : lies) {
    bytes_ = MergedBytes(Sample());
    ChangeInode(lie.path, lie.change);
    EXPECT_EQ(DumpError(), ErrorCode::kCorrupt) << lie.path;
  }
}

TEST_F(TreeLies, ExtentsThatOverlap) {
  Change<ExtentRecord>(kExtents, 1, [](ExtentRecord& e) { e.logical = 9; });
  EXPECT_EQ(DumpError(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace imgmount
