// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/layer_index.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <cstring>
#include <random>

#include "meta/base/file.h"
#include "meta/base/xxh3.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

std::span<const std::byte> Bytes(std::string_view s) {
  return std::as_bytes(std::span(s));
}

LayerEntry Value(const EntryView& v) {
  return {std::string(v.path),
          v.type,
          v.mode,
          v.uid,
          v.gid,
          v.mtime,
          v.size,
          std::string(v.link_target),
          v.device_major,
          v.device_minor,
          {v.xattrs.begin(), v.xattrs.end()},
          {v.extents.begin(), v.extents.end()}};
}

std::vector<LayerEntry> Samples() {
  LayerEntry root;
  root.type = EntryType::kDirectory;
  root.mode = 0755;
  LayerEntry file;
  file.path = "usr/bin/ping";
  file.mode = 04755;
  file.uid = 4'000'000'000;
  file.mtime = {-7, 250'000'000};
  file.size = 10;
  file.extents = {{0, 10, 1536}};
  file.xattrs = {{"security.capability", std::string("\1\0\2", 3)},
                 {"user.note", ""}};
  LayerEntry sparse = file;
  sparse.path = "sparse";
  sparse.size = 1 << 30;
  sparse.extents = {{4096, 10, 3000}, {1 << 20, 512, 3010}};
  LayerEntry link;
  link.path = "bin";
  link.type = EntryType::kSymlink;
  link.mode = 0777;
  link.link_target = "../usr/bin/";
  LayerEntry hard = link;
  hard.path = "usr/bin/ping6";
  hard.type = EntryType::kHardLink;
  hard.link_target = "usr/bin/ping";
  LayerEntry device;
  device.path = "dev/null with space";
  device.type = EntryType::kCharDevice;
  device.device_major = 1;
  device.device_minor = 3;
  LayerEntry whiteout;
  whiteout.path = "etc/motd";
  whiteout.type = EntryType::kWhiteout;
  LayerEntry opaque;
  opaque.type = EntryType::kOpaque;
  return {root, file, sparse, link, hard, device, whiteout, opaque};
}

LayerIndex Sample() {
  LayerIndex index;
  for (const LayerEntry& e : Samples()) {
    EXPECT_TRUE(index.Add(e)) << e.path;
  }
  return index;
}

// A file as Serialize() writes it, around a body that need not make sense.
std::string Wrapped(std::string_view body) {
  std::string file = Sample().Serialize().substr(0, 16);
  const std::string frame = testing::Zstd(body);
  const uint64_t checksum = XXH3_64bits(frame.data(), frame.size());
  file.append(reinterpret_cast<const char*>(&checksum), 8);
  return file + frame;
}

std::string Body(std::string_view file) {
  std::string body(1 << 20, '\0');
  body.resize(ZSTD_decompress(body.data(), body.size(), file.data() + 24,
                              file.size() - 24));
  return body;
}

TEST(LayerIndex, ReturnsWhatWasAdded) {
  const LayerIndex index = Sample();
  const auto samples = Samples();
  ASSERT_EQ(index.size(), samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(Value(index.entry(i)), samples[i]);
  }
  EXPECT_EQ(index.content_bytes(), 10u + (1 << 30));
}

TEST(LayerIndex, SurvivesSavingAndLoading) {
  testing::TemporaryFolder folder;
  const LayerIndex index = Sample();
  ASSERT_TRUE(index.Save(folder.path() / "index"));
  auto loaded = LayerIndex::Load(folder.path() / "index");
  ASSERT_TRUE(loaded) << loaded.error().message();
  const auto samples = Samples();
  ASSERT_EQ(loaded->size(), samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(Value(loaded->entry(i)), samples[i]);
  }
  EXPECT_EQ(loaded->content_bytes(), index.content_bytes());
  EXPECT_EQ(loaded->Serialize(), index.Serialize());
}

TEST(LayerIndex, AnEmptyOneSurvivesToo) {
  auto parsed = LayerIndex::Parse(Bytes(LayerIndex().Serialize()));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size(), 0u);
}

TEST(LayerIndex, DumpTellsEverything) {
  EXPECT_EQ(Sample().Dump(),
            "dir 0755 0:0 0 0.000000000 .\n"
            "file 4755 4000000000:0 10 -7.250000000 usr/bin/ping"
            " security.capability=010002 user.note= 0+10@1536\n"
            "file 4755 4000000000:0 1073741824 -7.250000000 sparse"
            " security.capability=010002 user.note= 4096+10@3000"
            " 1048576+512@3010\n"
            "symlink 0777 0:0 0 0.000000000 bin -> ../usr/bin/\n"
            "link 0777 0:0 0 0.000000000 usr/bin/ping6 => usr/bin/ping\n"
            "char 0000 0:0 0 0.000000000 dev/null\\x20with\\x20space dev=1:3\n"
            "whiteout 0000 0:0 0 0.000000000 etc/motd\n"
            "opaque 0000 0:0 0 0.000000000 .\n");
}

TEST(LayerIndex, AddRefusesWhatBreaksARule) {
  const auto refused = [](auto change) {
    LayerEntry e = Samples()[1];
    change(e);
    LayerIndex index;
    const bool ok = index.Add(e).has_value();
    EXPECT_EQ(index.size(), ok ? 1u : 0u);
    return !ok;
  };
  EXPECT_FALSE(refused([](LayerEntry&) {}));
  EXPECT_TRUE(refused([](LayerEntry& e) { e.path = "/a"; }));
  EXPECT_TRUE(refused([](LayerEntry& e) { e.mode = 010000; }));
  EXPECT_TRUE(refused([](LayerEntry& e) { e.mtime.nanoseconds = 1e9; }));
  EXPECT_TRUE(refused([](LayerEntry& e) { e.size = 9; }));
  EXPECT_TRUE(refused([](LayerEntry& e) { e.size = uint64_t{1} << 63; }));
  EXPECT_TRUE(refused([](LayerEntry& e) { e.type = EntryType::kFifo; }));
  EXPECT_TRUE(
      refused([](LayerEntry& e) { std::swap(e.xattrs[0], e.xattrs[1]); }));
  EXPECT_TRUE(refused([](LayerEntry& e) { e.extents.push_back({9, 1, 0}); }));
  EXPECT_TRUE(refused([](LayerEntry& e) { e.extents[0].physical = -5; }));
  EXPECT_TRUE(refused([](LayerEntry& e) {
    e = Samples()[4];
    e.link_target = "../x";
  }));
  EXPECT_TRUE(refused([](LayerEntry& e) {
    e = Samples()[6];
    e.path = "";
  }));
}

TEST(LayerIndex, AnyFlippedByteIsCorrupt) {
  const std::string good = Sample().Serialize();
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    auto parsed = LayerIndex::Parse(Bytes(bad));
    ASSERT_FALSE(parsed) << i;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kCorrupt);
  }
}

TEST(LayerIndex, AnyCutIsCorrupt) {
  const std::string good = Sample().Serialize();
  for (size_t i = 0; i < good.size(); ++i) {
    EXPECT_FALSE(LayerIndex::Parse(Bytes(good.substr(0, i)))) << i;
  }
  EXPECT_FALSE(LayerIndex::Parse(Bytes(good + "x")));
}

// A checksum proves nothing about who wrote the file.
TEST(LayerIndex, ABodyThatLiesIsNeverTrusted) {
  const std::string body = Body(Sample().Serialize());
  ASSERT_TRUE(LayerIndex::Parse(Bytes(Wrapped(body))));
  EXPECT_FALSE(LayerIndex::Parse(Bytes(Wrapped(body + "x"))));
  std::mt19937 random(1);
  for (size_t i = 0; i < body.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bad = body;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      auto parsed = LayerIndex::Parse(Bytes(Wrapped(bad)));
      if (parsed) parsed->Dump();  // touches all of it: for the sanitizers
    }
    EXPECT_FALSE(LayerIndex::Parse(Bytes(Wrapped(body.substr(0, i)))));
  }
}

TEST(LayerIndex, HugeCountsCostNoMemory) {
  std::string body = Body(Sample().Serialize());
  for (size_t count = 0; count < 5; ++count) {
    std::string bad = body;
    const uint64_t huge = uint64_t{1} << 60;
    std::memcpy(bad.data() + 8 * count, &huge, 8);
    EXPECT_FALSE(LayerIndex::Parse(Bytes(Wrapped(bad))));
  }
}

TEST(LayerIndex, ContentBytesDoNotWrap) {
  LayerIndex index;
  LayerEntry e;
  e.size = INT64_MAX;
  for (int i = 0; i < 4; ++i) {
    e.path = std::to_string(i);
    ASSERT_TRUE(index.Add(e));
  }
  e = LayerEntry();
  e.path = "link";
  e.type = EntryType::kSymlink;
  e.link_target = "target";
  ASSERT_TRUE(index.Add(e));
  EXPECT_EQ(index.content_bytes(), uint64_t{INT64_MAX});
  EXPECT_EQ(index.diff_size(), uint64_t{INT64_MAX});
}

// As Docker Engine 20.10 shows such layers, with overlay2.
TEST(LayerIndex, CountsSymlinksAsDockerDoes) {
  using Type = EntryType;
  struct Item {
    Type type;
    std::string path;
    std::string target;
    uint64_t size;
  };
  const auto diff_size = [](const std::vector<Item>& items) {
    LayerIndex index;
    for (const Item& item : items) {
      LayerEntry e;
      e.type = item.type;
      e.path = item.path;
      e.link_target = item.target;
      e.size = item.size;
      EXPECT_TRUE(index.Add(e));
    }
    const auto loaded = LayerIndex::Parse(Bytes(index.Serialize()));
    EXPECT_EQ(loaded->diff_size(), index.diff_size());
    return index.diff_size();
  };
  EXPECT_EQ(diff_size({{Type::kDirectory, "var", "", 0},
                       {Type::kSymlink, "var/a", "/dev/stdout", 0},
                       {Type::kSymlink, "var/b", "/dev/stderr", 0}}),
            22u);
  EXPECT_EQ(diff_size({{Type::kSymlink, "a", "1234567", 0},
                       {Type::kHardLink, "b", "a", 0}}),
            7u);
  EXPECT_EQ(diff_size({{Type::kRegular, "a", "", 100},
                       {Type::kHardLink, "b", "a", 0},
                       {Type::kFifo, "c", "", 0},
                       {Type::kWhiteout, "d", "", 0}}),
            100u);
}

TEST(LayerIndex, OwnersAndXattrsAreStoredOnce) {
  LayerIndex index;
  LayerEntry e = Samples()[1];
  e.xattrs[0].value.assign(100'000, 'x');
  for (int i = 0; i < 10'000; ++i) {
    e.path = "file" + std::to_string(i);
    ASSERT_TRUE(index.Add(e));
  }
  EXPECT_LT(index.memory_bytes(), 10'000u * 200 + 110'000);
  auto parsed = LayerIndex::Parse(Bytes(index.Serialize()));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->entry(9'999).xattrs[0].value, e.xattrs[0].value);
}

TEST(LayerIndex, AMissingFileIsNotFound) {
  testing::TemporaryFolder folder;
  EXPECT_EQ(LayerIndex::Load(folder.path() / "none").error().code(),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace imgmount
