// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/span_cuts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/indexed_layer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using testing::ExpectSpansGive;
using testing::Gzip;
using testing::IndexedLayer;
using ::testing::IsEmpty;
using testing::SomeTar;
using testing::TarBuilder;
using testing::TextLikeBytes;

constexpr uint64_t kK = 1 << 10;

// Runs all over `size` bytes.
std::vector<TarRun> SomeRuns(uint64_t size, uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::vector<TarRun> runs;
  for (size_t i = 0; i < count; ++i) {
    runs.push_back({random() % size, 1 + random() % (200 * kK)});
  }
  return runs;
}

// The bytes that are decoded for these runs.
uint64_t DecodedFor(const SpanTable& table, const std::vector<TarRun>& runs) {
  std::vector<uint64_t> ends(table.span_count());
  for (const TarRun& run : runs) {
    const uint64_t end = std::min(run.offset + run.length, table.size());
    for (uint64_t at = run.offset; at < end;) {
      const size_t i = table.Find(at);
      const Span span = table.span(i);
      const uint64_t stop = std::min(end - span.offset, span.length);
      ends[i] = std::max(ends[i], stop);
      at = span.offset + stop;
    }
  }
  return std::accumulate(ends.begin(), ends.end(), uint64_t{0});
}

Status Cut(IndexedLayer& layer, std::span<const uint64_t> cuts) {
  IMGMOUNT_CHECK(CutSpans(*layer.table, *layer.source, cuts,
                          layer.folder.path() / kSpansFile));
  layer.Open();
  return {};
}

TEST(SpanCuts, AreWhereWhatIsReadBegins) {
  // Two spans: [0, 1024 KiB) and [1024 KiB, 1536 KiB).
  const std::string tar =
      TarBuilder().File("f", TextLikeBytes(1536 * kK - 1536, 1)).Build();
  ASSERT_EQ(tar.size(), 1536 * kK);
  const IndexedLayer layer(Gzip(tar));
  ASSERT_EQ(layer.table->span_count(), 2u);
  const auto cuts = [&](const std::vector<TarRun>& runs) {
    return WhereToCut(*layer.table, runs);
  };
  EXPECT_THAT(cuts({}), IsEmpty());
  EXPECT_THAT(cuts({{0, 1536 * kK}}), IsEmpty());
  EXPECT_THAT(cuts({{127 * kK, 897 * kK}}), IsEmpty())
      << "almost at a span's beginning, up to its end";
  EXPECT_THAT(cuts({{200 * kK, 824 * kK}}), ElementsAre(192 * kK))
      << "where its block begins";
  EXPECT_THAT(cuts({{0, 200 * kK}}), ElementsAre(256 * kK))
      << "where its block ends";
  EXPECT_THAT(cuts({{700 * kK, 1}, {200 * kK, 1}}),
              ElementsAre(192 * kK, 256 * kK, 640 * kK, 704 * kK))
      << "in any order";
  EXPECT_THAT(cuts({{200 * kK, 400 * kK}, {300 * kK, 1}, {650 * kK, 300 * kK}}),
              ElementsAre(192 * kK))
      << "where little is left out, or one is within another";
  EXPECT_THAT(cuts({{700 * kK, 310 * kK}, {1250 * kK, 286 * kK}}),
              ElementsAre(640 * kK, 1216 * kK))
      << "over a span's end";
  EXPECT_THAT(
      cuts({{5 << 20, 10}, {~uint64_t{0}, 10}, {700 * kK, ~uint64_t{0}}}),
      ElementsAre(640 * kK))
      << "beyond the tar's end";
}

TEST(SpanCuts, TheSameBytesForLessDecoding) {
  const std::string tar = SomeTar(12'000'000, 3);
  std::string members;  // that end anywhere
  for (size_t at = 0, i = 0; at < tar.size(); ++i) {
    const size_t length = std::min<size_t>(tar.size() - at, i % 5 * 300'000);
    members += Gzip(tar.substr(at, length));
    at += length;
  }
  for (const std::string& blob :
       {Gzip(tar), Gzip(tar, 9), Gzip(tar, 0), members}) {
    IndexedLayer layer(blob);
    for (const uint64_t seed : {1, 2}) {
      const auto runs = SomeRuns(tar.size(), seed, 15);
      const auto cuts = WhereToCut(*layer.table, runs);
      const size_t spans = layer.table->span_count();
      const uint64_t before = DecodedFor(*layer.table, runs);
      ASSERT_FALSE(cuts.empty());
      ASSERT_TRUE(Cut(layer, cuts));
      EXPECT_GT(layer.table->span_count(), spans);
      EXPECT_LE(layer.table->span_count(), spans + cuts.size());
      EXPECT_LT(DecodedFor(*layer.table, runs), before);
      ExpectSpansGive(layer, tar);
    }
  }
}

TEST(SpanCuts, AreNotMadeTwice) {
  const std::string tar = SomeTar(8'000'000, 4);
  IndexedLayer layer(Gzip(tar));
  const auto runs = SomeRuns(tar.size(), 1, 15);
  ASSERT_TRUE(Cut(layer, WhereToCut(*layer.table, runs)));
  EXPECT_THAT(WhereToCut(*layer.table, runs), IsEmpty());
}

TEST(SpanCuts, NothingElseIsCut) {
  const std::string tar = SomeTar(8'000'000, 5);
  for (const std::string& blob : {tar, testing::Zstd(tar), testing::Xz(tar)}) {
    const IndexedLayer layer(blob);
    EXPECT_THAT(WhereToCut(*layer.table, SomeRuns(tar.size(), 1, 50)),
                IsEmpty());
  }
}

TEST(SpanCuts, TheTableStaysSmall) {
  const std::string tar =
      TarBuilder().File("f", TextLikeBytes(60 << 20, 1)).Build();
  IndexedLayer layer(Gzip(tar, 1));
  const size_t spans = layer.table->span_count();
  std::vector<TarRun> runs;
  for (uint64_t at = 0; at < tar.size(); at += 256 * kK) {
    runs.push_back({at + 200 * kK, 1});
  }
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(Cut(layer, WhereToCut(*layer.table, runs)));
    EXPECT_LE(layer.table->span_count(), spans * 3 / 2 + 64);
  }
  ExpectSpansGive(layer, tar);
}

TEST(SpanCuts, ADamagedBlobLeavesTheTableAsItWas) {
  const std::string tar =
      TarBuilder().File("f", testing::RandomBytes(3 << 20, 1)).Build();
  const std::string blob = Gzip(tar);
  IndexedLayer layer(blob);
  const auto path = layer.folder.path() / kSpansFile;
  const std::string before = *ReadFile(path, 1 << 30);
  const std::vector<uint64_t> cuts = {192 * kK};
  for (const auto& damaged : {blob.substr(0, 600'000), [&] {
                                std::string bytes = blob;
                                bytes[700'000] ^= 1;
                                return bytes;
                              }()}) {
    layer.blob = damaged;
    layer.Open();
    EXPECT_EQ(Cut(layer, cuts).error().code(), ErrorCode::kCorrupt);
    EXPECT_TRUE(*ReadFile(path, 1 << 30) == before);
  }
  layer.blob = blob;
  layer.Open();
  EXPECT_TRUE(Cut(layer, cuts));
  ExpectSpansGive(layer, tar);
}

}  // namespace
}  // namespace imgmount
