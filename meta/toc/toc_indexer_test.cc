// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_indexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kDataEnd = 10'000;
constexpr uint64_t kMemory = 64 << 20;

std::string DigestText(char digit) {
  return "sha256:" + std::string(64, digit);
}

TocEntry File(std::string name, int64_t size, int64_t offset) {
  TocEntry e;
  e.name = std::move(name);
  e.type = "reg";
  e.size = size;
  e.offset = offset;
  if (size > 0) e.digest = e.chunk_digest = DigestText('a');
  return e;
}

// The first chunk of a file, and others.
TocEntry First(std::string name, int64_t size, int64_t offset, int64_t length) {
  TocEntry e = File(std::move(name), size, offset);
  e.chunk_size = length;
  e.digest = DigestText('f');
  return e;
}
TocEntry Chunk(int64_t at, int64_t length, int64_t offset) {
  TocEntry e;
  e.name = "chunk";
  e.type = "chunk";
  e.chunk_offset = at;
  e.chunk_size = length;
  e.offset = offset;
  e.chunk_digest = DigestText('b');
  return e;
}
TocEntry Zeros(TocEntry e) {
  e.chunk_type = "zeros";
  return e;
}
TocEntry Other(std::string type, std::string name) {
  TocEntry e;
  e.name = std::move(name);
  e.type = std::move(type);
  return e;
}

Result<Toc> Read(const std::vector<TocEntry>& entries,
                 uint64_t memory = kMemory) {
  TocIndexer indexer(kDataEnd, memory);
  for (const TocEntry& e : entries) IMGMOUNT_CHECK(indexer.Add(e));
  return indexer.Finish();
}

// "offset+length in in_offset+in_length skip"
std::vector<std::string> Chunks(const Toc& toc) {
  std::vector<std::string> out;
  for (const TocChunk& c : toc.chunks) {
    out.push_back(std::to_string(c.offset) + "+" + std::to_string(c.length) +
                  " in " + std::to_string(c.in_offset) + "+" +
                  std::to_string(c.in_length) + " " + std::to_string(c.skip));
  }
  return out;
}

std::string DumpOf(const std::vector<TocEntry>& entries) {
  const auto toc = Read(entries);
  return toc ? toc->index.Dump() : toc.error().message();
}

TEST(TocIndexer, PutsChunksOneAfterTheOther) {
  const auto toc =
      Read({Other("dir", "d/"), File("d/a", 100, 50),
            First("d/b", 300, 200, 256), Chunk(256, 0, 400),
            File("d/empty", 0, 0), Other("dir", "e/"), File("e/c", 7, 600)});
  ASSERT_TRUE(toc) << toc.error().message();
  EXPECT_THAT(Chunks(*toc),
              ElementsAre("0+100 in 50+150 0", "100+256 in 200+200 0",
                          "356+44 in 400+200 0", "400+7 in 600+9400 0"));
  EXPECT_EQ(toc->chunks[2].sha256,
            Sha256Bytes(*Digest::Parse(DigestText('b'))));
  EXPECT_EQ(toc->index.Dump(),
            "dir 0000 0:0 0 0.000000000 d\n"
            "file 0000 0:0 100 0.000000000 d/a 0+100@0\n"
            "file 0000 0:0 300 0.000000000 d/b 0+300@100\n"
            "file 0000 0:0 0 0.000000000 d/empty\n"
            "dir 0000 0:0 0 0.000000000 e\n"
            "file 0000 0:0 7 0.000000000 e/c 0+7@400\n");
}

TEST(TocIndexer, MakesHolesOfZeros) {
  TocEntry file = First("a", 5000, 100, 10);
  file.end_offset = 260;
  const auto toc = Read({file, Zeros(Chunk(10, 4000, 150)),
                         Chunk(4010, 990, 200), File("b", 5, 300)});
  ASSERT_TRUE(toc) << toc.error().message();
  EXPECT_THAT(Chunks(*toc),
              ElementsAre("0+10 in 100+50 0", "10+990 in 200+60 0",
                          "1000+5 in 300+9700 0"));
  EXPECT_THAT(toc->index.Dump(), HasSubstr(" a 0+10@0 4010+990@10\n"));
}

TEST(TocIndexer, NeedsNoRoomForAFileOfZeros) {
  TocEntry file = Zeros(First("a", INT64_MAX, 100, 0));
  file.digest = file.chunk_digest = "";
  const auto toc = Read({file, Zeros(First("b", INT64_MAX, 200, 0))});
  ASSERT_TRUE(toc) << toc.error().message();
  EXPECT_TRUE(toc->chunks.empty());
}

TEST(TocIndexer, LetsChunksShareAMember) {
  TocEntry first = File("a", 100, 0);
  first.inner_offset = 512;
  TocEntry second = File("b", 10, 0);
  second.inner_offset = 1536;
  TocEntry third = File("c", 10, 700);
  TocEntry fourth = File("d", 10, 700);
  fourth.inner_offset = 10;
  const auto toc = Read({first, second, third, fourth});
  ASSERT_TRUE(toc) << toc.error().message();
  EXPECT_THAT(Chunks(*toc),
              ElementsAre("0+100 in 0+700 512", "100+10 in 0+700 1536",
                          "110+10 in 700+9300 0", "120+10 in 700+9300 10"));
}

TEST(TocIndexer, FollowsTheRulesOfTars) {
  TocEntry link = Other("symlink", "./l");
  link.link_name = "/x";
  TocEntry hard = Other("hardlink", "/h");
  hard.link_name = "./l/../a";
  TocEntry device = Other("char", "dev//null");
  device.dev_major = 1;
  device.dev_minor = 3;
  TocEntry file = File("f", 0, 0);
  file.mode = 0104755;
  file.uid = 3;
  file.gid = 4'000'000'000;
  file.modtime = "2020-09-13T14:26:40.25+02:00";
  file.xattrs = {{"user.b", "YQ=="}, {"user.a", ""}};
  EXPECT_EQ(DumpOf({Other("dir", "./"), link, hard, device, file,
                    Other("fifo", "p"), Other("block", "b"),
                    File("d/.wh.gone", 0, 0), File("d/.wh..wh..opq", 0, 0)}),
            "dir 0000 0:0 0 0.000000000 .\n"
            "symlink 0777 0:0 0 0.000000000 l -> /x\n"
            "link 0000 0:0 0 0.000000000 h => a\n"
            "char 0000 0:0 0 0.000000000 dev/null dev=1:3\n"
            "file 4755 3:4000000000 0 1600000000.250000000 f user.a= "
            "user.b=61\n"
            "fifo 0000 0:0 0 0.000000000 p\n"
            "block 0000 0:0 0 0.000000000 b dev=0:0\n"
            "whiteout 0000 0:0 0 0.000000000 d/gone\n"
            "opaque 0000 0:0 0 0.000000000 d\n");
}

TEST(TocIndexer, TellsWhereToPrefetchTo) {
  EXPECT_EQ(Read({File("a", 1, 10), File(".prefetch.landmark", 1, 500),
                  File("b", 1, 600)})
                ->prefetch_end,
            500u);
  EXPECT_EQ(Read({File(".no.prefetch.landmark", 1, 10)})->prefetch_end, 0u);
}

TEST(TocIndexer, AddsFilesThatTheTocDoesNotList) {
  TocIndexer indexer(kDataEnd, kMemory);
  ASSERT_TRUE(indexer.Add(File("a", 5, 10)));
  LayerEntry file;
  file.path = "toc";
  file.size = 30;
  std::vector<TocChunk> pieces(2);
  for (size_t i = 0; i < pieces.size(); ++i) {
    pieces[i].length = i == 0 ? 20 : 10;
    pieces[i].in_offset = kDataEnd;
    pieces[i].in_length = 99;
    pieces[i].skip = 512 + 20 * i;
  }
  ASSERT_TRUE(indexer.AddFile(file, pieces));
  const auto toc = indexer.Finish();
  EXPECT_THAT(Chunks(*toc),
              ElementsAre("0+5 in 10+9990 0", "5+20 in 10000+99 512",
                          "25+10 in 10000+99 532"));
  EXPECT_THAT(toc->index.Dump(), HasSubstr(" toc 0+30@5\n"));
}

using Change = std::function<void(TocEntry&)>;

TEST(TocIndexer, RefusesWhatCannotBe) {
  const std::pair<Change, const char*> cases[] = {
      {[](auto& e) { e.size = -1; }, "size is negative"},
      {[](auto& e) { e.mode = -1; }, "mode is negative"},
      {[](auto& e) { e.offset = -1; }, "offset is negative"},
      {[](auto& e) { e.inner_offset = -1; }, "innerOffset is negative"},
      {[](auto& e) { e.end_offset = -1; }, "endOffset is negative"},
      {[](auto& e) { e.chunk_size = -1; }, "chunkSize is negative"},
      {[](auto& e) { e.chunk_offset = -1; }, "chunkOffset is negative"},
      {[](auto& e) { e.uid = -1; }, "uid out of range"},
      {[](auto& e) { e.gid = 1L << 32; }, "gid out of range"},
      {[](auto& e) { e.name = "../a"; }, "outside the root"},
      {[](auto& e) { e.name = "a/"; }, "ends in a slash"},
      {[](auto& e) { e.name = ""; }, "root of a layer must be a directory"},
      {[](auto& e) { e.xattrs["user.a"] = "?"; }, "not in base64"},
      {[](auto& e) { e.chunk_digest = DigestText('b'); }, "another digest"},
      {[](auto& e) { e.chunk_digest = e.digest = "x"; }, "malformed digest"},
      {[](auto& e) { e.offset = 0; }, "without its place"},
      {[](auto& e) { e.offset = kDataEnd; }, "outside the layer"},
      {[](auto& e) { e.offset = INT64_MAX; }, "outside the layer"},
      {[](auto& e) { e.offset = 100; }, "overlap in the layer"},
      {[](auto& e) { e.offset = 99; }, "overlap in the layer"},
      {[](auto& e) { e.end_offset = 200; }, "wrong end"},
      {[](auto& e) { e.end_offset = kDataEnd + 1; }, "wrong end"},
      {[](auto& e) { e.chunk_offset = 1; }, "a gap"},
      {[](auto& e) { e.chunk_size = 11; }, "larger than its file"},
      {[](auto& e) { e.type = "chunk"; }, "belongs to no file"},
  };
  for (const auto& [change, what] : cases) {
    TocEntry changed = File("changed", 10, 200);
    change(changed);
    const auto toc = Read({File("a", 5, 100), changed});
    ASSERT_FALSE(toc) << what;
    EXPECT_EQ(toc.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(toc.error().message(), HasSubstr(what));
    EXPECT_THAT(toc.error().message(), HasSubstr("table of contents: \""));
  }
}

TEST(TocIndexer, RefusesChunksThatDoNotMakeUpTheirFile) {
  const std::pair<std::vector<TocEntry>, const char*> cases[] = {
      {{Chunk(5, 4, 200)}, "end before it"},
      {{Chunk(5, 4, 200), File("b", 1, 300)}, "chunks of \"a\" end before it"},
      {{Chunk(6, 4, 200)}, "a gap of its chunks at byte 5"},
      {{Chunk(4, 6, 200)}, "an overlap of its chunks at byte 4"},
      {{Chunk(5, 6, 200)}, "larger than its file"},
      {{Chunk(5, 5, 100)}, "overlap in the layer"},
      {{Chunk(5, 5, 200), Chunk(10, 0, 300)}, "belongs to no file"},
      {{Other("dir", "d")}, "end before it"},
  };
  for (const auto& [chunks, what] : cases) {
    std::vector<TocEntry> entries = {First("a", 10, 100, 5)};
    entries.insert(entries.end(), chunks.begin(), chunks.end());
    const auto toc = Read(entries);
    ASSERT_FALSE(toc) << what;
    EXPECT_EQ(toc.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(toc.error().message(), HasSubstr(what));
  }
}

TEST(TocIndexer, RefusesOverlapsWithinAMember) {
  TocEntry second = File("b", 10, 100);
  second.inner_offset = 99;
  EXPECT_THAT(DumpOf({File("a", 100, 100), second}),
              HasSubstr("overlap in the layer"));
}

TEST(TocIndexer, CannotReadSomeLayersByChunks) {
  const std::pair<Change, const char*> cases[] = {
      {[](auto& e) { e.digest = e.chunk_digest = ""; }, "without a digest"},
      {[](auto& e) {
         e.digest = e.chunk_digest = "sha512:" + std::string(128, 'a');
       },
       "not a SHA-256"},
      {[](auto& e) { e.size = (16 << 20) + 1; }, "more than can be checked"},
      {[](auto& e) { e.inner_offset = (1 << 30) + 1; }, "too far into"},
      {[](auto& e) { e.chunk_type = "ones"; }, "unknown type of chunk"},
      {[](auto& e) { e.type = "socket"; }, "unknown type \"socket\""},
      {[](auto& e) { e.type = ""; }, "unknown type"},
      {[](auto& e) { e.name = "a\xef\xbf\xbd"; }, "cannot tell exactly"},
      {[](auto& e) {
         e.type = "symlink";
         e.link_name = "\xef\xbf\xbd";
       },
       "cannot tell exactly"},
      {[](auto& e) { e.modtime = "yesterday"; }, "a time that cannot be read"},
      {[](auto& e) { e.name = std::string(256, 'a'); }, "255 bytes"},
      {[](auto& e) {
         e.type = "char";
         e.dev_major = 5000;
       },
       "device number 5000:0"},
      {[](auto& e) { e.xattrs["user.a"] = std::string(4 * (64 << 10), 'a'); },
       "an xattr of more than 64 KiB"},
  };
  for (const auto& [change, what] : cases) {
    TocEntry changed = File("changed", 10, 200);
    change(changed);
    const auto toc = Read({changed});
    ASSERT_FALSE(toc) << what;
    EXPECT_EQ(toc.error().code(), ErrorCode::kUnsupported) << what;
    EXPECT_THAT(toc.error().message(), HasSubstr(what));
  }
  // Not the first chunk of several: the digest of the file says nothing of it.
  TocEntry first = First("a", 10, 100, 5);
  first.chunk_digest = "";
  EXPECT_THAT(DumpOf({first, Chunk(5, 5, 200)}), HasSubstr("without a digest"));
}

TEST(TocIndexer, TakesNoMoreMemoryThanAllowed) {
  TocIndexer indexer(UINT64_MAX, 1 << 20);
  Status status;
  int count = 0;
  for (; status && count < 100'000; ++count) {
    status = indexer.Add(File("f" + std::to_string(count), 1, count + 1));
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(status.error().message(), HasSubstr("more memory"));
  EXPECT_LT(count, 10'000);
}

}  // namespace
}  // namespace imgmount
