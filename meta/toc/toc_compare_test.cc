// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "meta/toc/chunk_table.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::HasSubstr;
using testing::RunFirstPass;
using testing::TarBuilder;
using testing::TemporaryFolder;

LayerEntry Entry(std::string path) {
  LayerEntry entry;
  entry.path = std::move(path);
  entry.mode = 0644;
  entry.uid = 1;
  entry.gid = 2;
  entry.mtime = {1000, 250'000'000};
  entry.size = 10;
  entry.xattrs = {{"user.a", "b"}};
  entry.extents = {{0, 10, 512}};
  return entry;
}

LayerIndex Index(const std::vector<LayerEntry>& entries) {
  LayerIndex index;
  for (const LayerEntry& entry : entries) EXPECT_TRUE(index.Add(entry));
  return index;
}

std::string Difference(const std::vector<LayerEntry>& toc,
                       const std::vector<LayerEntry>& tar) {
  const auto same = CompareTocWithTar(Index(toc), Index(tar));
  if (same) return "";
  EXPECT_EQ(same.error().code(), ErrorCode::kCorrupt);
  return same.error().message();
}

TEST(CompareTocWithTar, DoesNotMindWhereContentsLie) {
  LayerEntry other = Entry("a");
  other.extents = {{0, 4, 0}, {6, 4, 4}};
  EXPECT_EQ(Difference({other, Entry("b")}, {Entry("a"), Entry("b")}), "");
}

TEST(CompareTocWithTar, TakesTimesAsEstargzRoundsThem) {
  const auto same = [](Timestamp toc, Timestamp tar) {
    LayerEntry a = Entry("a");
    LayerEntry b = Entry("a");
    a.mtime = toc;
    b.mtime = tar;
    return Difference({a}, {b}).empty();
  };
  EXPECT_TRUE(same({1000, 0}, {1000, 499'999'999}));
  EXPECT_TRUE(same({1001, 0}, {1000, 500'000'000}));
  EXPECT_TRUE(same({0, 0}, {0, 700'000'000}));
  EXPECT_TRUE(same({0, 0}, {-1, 700'000'000}));
  EXPECT_FALSE(same({1001, 0}, {1000, 499'999'999}));
  EXPECT_FALSE(same({1000, 0}, {1000, 500'000'000}));
  EXPECT_FALSE(same({1000, 1}, {1000, 2}));
  EXPECT_FALSE(same({0, 0}, {1000, 0}));
}

TEST(CompareTocWithTar, NamesTheFirstDifference) {
  const std::pair<std::function<void(LayerEntry&)>, const char*> cases[] = {
      {[](auto& e) { e.mode = 0755; }, "mode 0755, 0644 in the tar"},
      {[](auto& e) { e.uid = 7; }, "uid 7, 1 in the tar"},
      {[](auto& e) { e.gid = 7; }, "gid 7, 2 in the tar"},
      {[](auto& e) { e.mtime.seconds = 7; }, "time 7.250000000, 1000.25"},
      {[](auto& e) { e.size = 11; }, "size 11, 10 in the tar"},
      {[](auto& e) { e.xattrs[0].value = "c"; }, "other xattrs"},
      {[](auto& e) { e.xattrs.clear(); }, "other xattrs"},
      {[](auto& e) { e.device_minor = 1; }, "another device number"},
      {[](auto& e) { e.link_target = "x"; }, "another target"},
      {[](auto& e) { e.path = "c"; }, "\"b\" in the tar"},
      {[](auto& e) {
         e.type = EntryType::kFifo;
         e.size = 0;
         e.extents.clear();
       },
       "another type"},
  };
  for (const auto& [change, what] : cases) {
    LayerEntry changed = Entry("b");
    change(changed);
    const std::string difference =
        Difference({Entry("a"), changed}, {Entry("a"), Entry("b")});
    EXPECT_THAT(difference, HasSubstr(what));
    EXPECT_THAT(difference, HasSubstr("entry 1, "));
  }
}

TEST(CompareTocWithTar, NamesWhatIsOnlyOnOneSide) {
  EXPECT_THAT(Difference({Entry("a"), Entry("b")}, {Entry("a")}),
              HasSubstr("entry 1, \"b\": not in the tar"));
  EXPECT_THAT(Difference({Entry("a")}, {Entry("a"), Entry("b")}),
              HasSubstr("entry 1, \"b\": only in the tar"));
  // Which of two comes last can decide what is shown.
  EXPECT_NE(Difference({Entry("a"), Entry("b")}, {Entry("b"), Entry("a")}), "");
}

// A layer of one gzip member per file, and what a TOC might say of it.
class ContentTest : public ::testing::Test {
 protected:
  ContentTest() {
    const std::string tar =
        TarBuilder()
            .File("a", std::string(300, 'a'))
            .File("z", "head" + std::string(5000, '\0') + "tail")
            .File("b", "contents of b")
            .Build();
    // Members start at the contents of a, z (head, zeros, tail) and b.
    const std::vector<size_t> cuts = {0,    512,  1536,      1540,
                                      6540, 7168, tar.size()};
    std::vector<uint64_t> members;
    std::string blob;
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      members.push_back(blob.size());
      blob += testing::Gzip(tar.substr(cuts[i], cuts[i + 1] - cuts[i]));
    }
    layer_.emplace(blob, members);
    index_ = Index({File("a", {{0, 300, 0}}, 300),
                    File("z", {{0, 4, 300}, {5004, 4, 304}}, 5008),
                    File("b", {{0, 13, 308}}, 13)});
    uint64_t offset = 0;
    for (const auto& [member, length] :
         {std::pair(1, 300), {2, 4}, {4, 4}, {5, 13}}) {
      TocChunk chunk;
      chunk.offset = offset;
      chunk.length = static_cast<uint64_t>(length);
      chunk.in_offset = members[static_cast<size_t>(member)];
      chunk.in_length = 10;
      offset += chunk.length;
      chunks_.push_back(chunk);
    }
  }

  static LayerEntry File(std::string path, std::vector<Extent> extents,
                         uint64_t size) {
    LayerEntry entry;
    entry.path = std::move(path);
    entry.mode = 0644;
    entry.size = size;
    entry.extents = std::move(extents);
    return entry;
  }
  Result<std::vector<TarRun>> Compare() {
    const auto path = folder_.path() / "chunks";
    IMGMOUNT_CHECK(WriteChunkTable(path, chunks_, TocEncoding::kGzip, ""));
    IMGMOUNT_TRY(const auto table, OpenChunkTable(path, ""));
    IMGMOUNT_CHECK(CompareTocWithTar(index_, layer_->index));
    return CompareChunks(index_, *table, layer_->index, layer_->starts);
  }

  struct Layer {
    TemporaryFolder folder;
    LayerIndex index;
    MemberStarts starts;
    std::unique_ptr<BlobSource> blob;
    std::unique_ptr<SpanTable> spans;

    Layer(const std::string& bytes, std::vector<uint64_t> members) {
      auto pass = RunFirstPass(bytes, {.folder = folder.path(),
                                       .wanted_starts = std::move(members)});
      EXPECT_TRUE(pass) << pass.error().message();
      index = std::move(pass->index);
      starts = std::move(pass->starts);
      std::ofstream(folder.path() / "blob", std::ios::binary) << bytes;
      blob = *OpenBlobFile(folder.path() / "blob");
      spans = *SpanTable::Open(folder.path() / kSpansFile);
    }
  };

  TemporaryFolder folder_;
  std::optional<Layer> layer_;
  LayerIndex index_;
  std::vector<TocChunk> chunks_;
};

TEST_F(ContentTest, FindsNoDifferenceWhereThereIsNone) {
  const auto holes = Compare();
  ASSERT_TRUE(holes) << holes.error().message();
  ASSERT_EQ(holes->size(), 1u);
  EXPECT_EQ((*holes)[0].offset, 1540u);
  EXPECT_EQ((*holes)[0].length, 5000u);
  const auto zeros = CheckZeros(*holes, *layer_->spans, *layer_->blob, nullptr);
  EXPECT_TRUE(zeros) << zeros.error().message();
}

TEST_F(ContentTest, FindsAChunkOfAnotherFile) {
  chunks_[0].in_offset = chunks_[3].in_offset;
  const auto holes = Compare();
  ASSERT_FALSE(holes);
  EXPECT_THAT(holes.error().message(),
              HasSubstr("\"a\": its content is somewhere else"));
}

TEST_F(ContentTest, FindsAChunkWithAnotherSkip) {
  chunks_[3].skip = 1;
  EXPECT_THAT(Compare().error().message(), HasSubstr("\"b\""));
}

TEST_F(ContentTest, FindsAChunkThatStartsAtNoMember) {
  chunks_[3].in_offset += 1;
  EXPECT_THAT(Compare().error().message(), HasSubstr("\"b\""));
}

TEST_F(ContentTest, FindsAChunkThatGoesOnBeyondItsFile) {
  chunks_[1].length += 10;
  for (size_t i = 2; i < chunks_.size(); ++i) chunks_[i].offset += 10;
  index_ = Index({File("a", {{0, 300, 0}}, 300),
                  File("z", {{0, 4, 300}, {5004, 4, 314}}, 5008),
                  File("b", {{0, 13, 305}}, 13)});
  EXPECT_THAT(Compare().error().message(), HasSubstr("\"b\""));
}

TEST_F(ContentTest, FindsAHoleWhereTheTarHasData) {
  index_ =
      Index({File("a", {}, 300), File("z", {{0, 4, 300}, {5004, 4, 304}}, 5008),
             File("b", {{0, 13, 308}}, 13)});
  const auto holes = Compare();
  ASSERT_TRUE(holes) << holes.error().message();
  const auto zeros = CheckZeros(*holes, *layer_->spans, *layer_->blob, nullptr);
  ASSERT_FALSE(zeros);
  EXPECT_EQ(zeros.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(zeros.error().message(), HasSubstr("at byte 512"));
}

}  // namespace
}  // namespace imgmount
