// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/tar_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "meta/base/file.h"
#include "meta/tar/tar_walk.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

struct File {
  LayerEntry entry;
  std::string content = {};
};

std::filesystem::path Write(const TemporaryFolder& folder,
                            const std::vector<File>& files,
                            const std::string& name = "out.tar") {
  const auto path = folder.path() / name;
  const auto fd = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  EXPECT_TRUE(fd);
  auto tar = TarWriter::Open(fd->get());
  EXPECT_TRUE(tar);
  for (const File& file : files) {
    const Status added = tar->Add(file.entry);
    EXPECT_TRUE(added) << added.error().message();
    EXPECT_TRUE(tar->Write(std::as_bytes(std::span(file.content))));
  }
  EXPECT_TRUE(tar->Close());
  return path;
}

// As a layer's tar is read.
std::string DumpOf(const std::filesystem::path& path) {
  std::string bytes = *ReadFile(path, 100 << 20);
  const auto index = WalkTar(
      [&, done = false]() mutable -> std::span<const std::byte> {
        if (std::exchange(done, true)) return {};
        return std::as_bytes(std::span(bytes));
      },
      [] { return UINT64_MAX; });
  return index ? index->Dump() : "error: " + index.error().message();
}

LayerEntry Entry(std::string path, EntryType type, uint32_t mode = 0755) {
  LayerEntry entry;
  entry.path = std::move(path);
  entry.type = type;
  entry.mode = mode;
  return entry;
}

LayerEntry Regular(std::string path, uint64_t size,
                   std::vector<Extent> extents) {
  LayerEntry entry = Entry(std::move(path), EntryType::kRegular, 0644);
  entry.size = size;
  entry.extents = std::move(extents);
  return entry;
}

LayerEntry Link(std::string path, EntryType type, std::string target) {
  LayerEntry entry = Entry(std::move(path), type, 0777);
  entry.link_target = std::move(target);
  return entry;
}

LayerEntry Device(std::string path, EntryType type, uint32_t major,
                  uint32_t minor) {
  LayerEntry entry = Entry(std::move(path), type, 0600);
  entry.device_major = major;
  entry.device_minor = minor;
  return entry;
}

LayerEntry At(LayerEntry entry, Timestamp time) {
  entry.mtime = time;
  return entry;
}

std::vector<File> AllKinds() {
  LayerEntry file = Regular("file", 3, {{0, 3, 0}});
  file.mode = 04755;
  file.uid = 3'000'000'000;
  file.gid = 7;
  file.mtime = {1'600'000'000, 123'456'789};
  file.xattrs = {{"security.capability", std::string("\1\0\0\2", 4)},
                 {"user.a", "b\nc=\xff"}};
  return {
      {Entry("./", EntryType::kDirectory, 0711)},
      {file, "abc"},
      {Link("hard", EntryType::kHardLink, "file")},
      {Link("link", EntryType::kSymlink, "caf\xc3\xa9")},
      {Entry("caf\xc3\xa9", EntryType::kFifo)},
      {Entry("e\xcc\x81", EntryType::kFifo)},
      {Entry("no text\xff", EntryType::kFifo)},
      {Device("c", EntryType::kCharDevice, 4095, 1'048'575)},
      {Device("b", EntryType::kBlockDevice, 8, 1)},
      {At(Entry("old", EntryType::kDirectory), {-5, 300'000'000})},
      {At(Entry("old/" + std::string(255, 'x'), EntryType::kDirectory, 01777),
          {-1, 0})},
  };
}

TEST(TarWriter, WritesWhatIsReadAgain) {
  const TemporaryFolder folder;
  const std::string dump = DumpOf(Write(folder, AllKinds()));
  LayerIndex expected;
  for (File file : AllKinds()) {
    if (file.entry.path == "./") file.entry.path = "";
    ASSERT_TRUE(expected.Add(file.entry));
  }
  // Where bytes lie is the only difference.
  const std::string there = expected.Dump();
  EXPECT_EQ(std::count(dump.begin(), dump.end(), '\n'),
            std::count(there.begin(), there.end(), '\n'));
  std::istringstream written(dump);
  std::istringstream wanted(there);
  for (std::string a, b; std::getline(written, a) && std::getline(wanted, b);) {
    if (a.find("abc") == std::string::npos && a.find("file") == a.npos) {
      EXPECT_EQ(a, b);
    }
  }
  EXPECT_THAT(dump, HasSubstr("3000000000"));
}

TEST(TarWriter, WritesTheSameBytesAgain) {
  const TemporaryFolder folder;
  const auto first = *ReadFile(Write(folder, AllKinds(), "a"), 1 << 20);
  const auto again = *ReadFile(Write(folder, AllKinds(), "b"), 1 << 20);
  EXPECT_TRUE(first == again);
}

TEST(TarWriter, RefusesSockets) {
  const TemporaryFolder folder;
  const auto fd = OpenFile(folder.path() / "x", O_WRONLY | O_CREAT, 0644);
  auto tar = TarWriter::Open(fd->get());
  const Status added = tar->Add(Entry("s", EntryType::kSocket));
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code(), ErrorCode::kUnsupported);
}

// GNU tar begins every run with a block of its own.
TEST(TarWriter, SparseFilesAreReadByGnuTar) {
  const TemporaryFolder folder;
  std::string content(300'000, '\0');
  content.replace(100'000, 3, "abc");
  content.replace(100'100, 1, "d");
  content.replace(200'000, 2, "ef");
  std::string to_the_end(100'001, '\0');
  to_the_end.back() = 'z';
  constexpr uint64_t kHole = 1 << 20;
  const auto path =
      Write(folder,
            {{Regular("middle", content.size(),
                      {{100'000, 3, 0}, {100'100, 1, 3}, {200'000, 2, 4}}),
              content},
             {Regular("end", to_the_end.size(), {{100'000, 1, 0}}), to_the_end},
             {Regular("all", kHole, {}), std::string(kHole, '\0')},
             {Regular("none", 5, {{0, 5, 0}}), "dense"},
             {Regular("empty", 0, {}), ""}});
  const std::string tar =
      "tar -C '" + folder.path().string() + "' -xf '" + path.string() + "'";
  ASSERT_EQ(std::system(tar.c_str()), 0);
  const auto read = [&](const char* name) {
    return *ReadFile(folder.path() / name, 10 << 20);
  };
  EXPECT_TRUE(read("middle") == content);
  EXPECT_TRUE(read("end") == to_the_end);
  EXPECT_TRUE(read("all") == std::string(kHole, '\0'));
  EXPECT_EQ(read("none"), "dense");
  EXPECT_EQ(read("empty"), "");
  struct stat stat = {};
  ASSERT_EQ(::stat((folder.path() / "all").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_blocks, 0);
  EXPECT_LT(std::filesystem::file_size(path), content.size());
}

}  // namespace
}  // namespace imgmount
