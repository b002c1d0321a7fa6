// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/first_pass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <random>
#include <thread>

#include "meta/base/digest.h"
#include "meta/base/file.h"
#include "meta/gzip/gzip_stream.h"
#include "meta/layer/span_table.h"
#include "tests/support/indexed_layer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::ExpectSpansGive;
using testing::Gzip;
using ::testing::HasSubstr;
using testing::IndexedLayer;
using testing::RunFirstPass;
using testing::SomeTar;
using testing::TarBuilder;
using testing::TemporaryFolder;
using testing::TextLikeBytes;
using testing::Zstd;

std::span<const std::byte> Bytes(std::string_view s) {
  return std::as_bytes(std::span(s));
}

std::string SkippableFrame(const std::string& content) {
  std::string frame = {'\x52', '\x2a', '\x4d', '\x18'};
  for (int i = 0; i < 4; ++i) {
    frame += static_cast<char>(content.size() >> (8 * i));
  }
  return frame + content;
}

size_t CountOf(const IndexedLayer& layer, SpanKind kind) {
  size_t count = 0;
  for (size_t i = 0; i < layer.table->span_count(); ++i) {
    count += layer.table->span(i).kind == kind ? 1 : 0;
  }
  return count;
}

TEST(FirstPass, TellsWhatALayerIs) {
  const std::string tar = TarBuilder().Dir("a").File("a/b", "data").Build();
  for (const std::string& blob :
       {tar, Gzip(tar), Zstd(tar), testing::Bzip2(tar), testing::Xz(tar)}) {
    for (const size_t step : {1, 1000, 1'000'000}) {
      TemporaryFolder folder;
      auto result =
          RunFirstPass(blob,
                       {.digest = DigestOf(blob),
                        .size = blob.size(),
                        .diff_id = DiffId::FromText(DigestOf(tar).text()),
                        .folder = folder.path() / "new"},
                       step);
      ASSERT_TRUE(result) << result.error().message();
      EXPECT_EQ(result->digest, DigestOf(blob));
      EXPECT_EQ(result->diff_id.text(), DigestOf(tar).text());
      EXPECT_EQ(result->compressed_size, blob.size());
      EXPECT_EQ(result->uncompressed_size, tar.size());
      EXPECT_EQ(result->index.size(), 2u);
      auto saved = LayerIndex::Load(folder.path() / "new" / kIndexFile,
                                    result->digest.text());
      ASSERT_TRUE(saved);
      EXPECT_EQ(saved->Dump(), result->index.Dump());
    }
  }
}

TEST(FirstPass, GzipSpansGiveTheTar) {
  const std::string tar = SomeTar(30'000'000, 1);
  for (const int level : {1, 6}) {
    const IndexedLayer layer(Gzip(tar, level));
    ExpectSpansGive(layer, tar);
    EXPECT_EQ(layer.table->span_count(), tar.size() / kSpanBytes + 1);
    EXPECT_EQ(CountOf(layer, SpanKind::kIsalState),
              layer.table->span_count() - 1);
    EXPECT_FALSE(layer.table->needs_frames());
  }
}

TEST(FirstPass, ASpanBeginsWhereAProgramDoes) {
  const std::string program =
      ReadFile("/proc/self/exe", 256 << 20)->substr(0, 300'000);
  TarBuilder tar;
  for (uint64_t i = 0; i < 5; ++i) {
    tar.File("text" + std::to_string(i), TextLikeBytes(750'000, i));
    tar.File("program" + std::to_string(i), program);
  }
  const std::string bytes = tar.Build();
  const IndexedLayer layer(Gzip(bytes));
  ExpectSpansGive(layer, bytes);
  EXPECT_EQ(layer.table->span_count(), 6u);
  const std::string front = program.substr(0, 1000);
  size_t programs = 0;
  for (size_t at = bytes.find(front); at != std::string::npos;
       at = bytes.find(front, at + 1)) {
    const Span span = layer.table->span(layer.table->Find(at));
    EXPECT_LT(at - span.offset, 128u << 10);
    ++programs;
  }
  EXPECT_EQ(programs, 5u);
}

TEST(FirstPass, GzipThatDoesNotCompressOrDoesSoExtremely) {
  const std::string noise =
      TarBuilder().File("f", testing::RandomBytes(13 << 20, 1)).Build();
  ExpectSpansGive(IndexedLayer(Gzip(noise)), noise);
  ExpectSpansGive(IndexedLayer(Gzip(noise, 0)), noise);
  const std::string zeros =
      TarBuilder().File("f", std::string(13 << 20, '\0')).Build();
  ExpectSpansGive(IndexedLayer(Gzip(zeros)), zeros);
}

TEST(FirstPass, GzipMembersAreStartsForFree) {
  const std::string tar = SomeTar(20'000'000, 2);
  std::string blob;
  for (size_t at = 0; at < tar.size(); at += 700'000) {
    blob += Gzip(tar.substr(at, 700'000));
    blob += Gzip("");
  }
  const IndexedLayer layer(blob + std::string(100, '\0'));
  ExpectSpansGive(layer, tar);
  EXPECT_EQ(CountOf(layer, SpanKind::kGzipStart), layer.table->span_count());

  // A few members larger than a span, and spans that cross member boundaries.
  const IndexedLayer large(Gzip(tar.substr(0, 9'000'000)) +
                           Gzip(tar.substr(9'000'000, 1'000'000)) +
                           Gzip(tar.substr(10'000'000)));
  ExpectSpansGive(large, tar);
  EXPECT_GT(CountOf(large, SpanKind::kIsalState), 0u);
}

TEST(FirstPass, PlainTarNeedsNoDecoder) {
  const std::string tar = SomeTar(10'000'000, 3) + "bytes after the end";
  const IndexedLayer layer(tar);
  ExpectSpansGive(layer, tar);
  EXPECT_EQ(CountOf(layer, SpanKind::kStored), layer.table->span_count());
}

TEST(FirstPass, SmallZstdFramesStayWhereTheyAre) {
  const std::string tar = SomeTar(20'000'000, 4);
  std::string blob = SkippableFrame("at the front");
  constexpr size_t kFrame = kSpanBytes / 8 * 3;
  for (size_t at = 0; at < tar.size(); at += kFrame) {
    blob += Zstd(tar.substr(at, kFrame)) + SkippableFrame("x") + Zstd("");
  }
  const IndexedLayer layer(blob + SkippableFrame(""));
  ExpectSpansGive(layer, tar);
  EXPECT_EQ(CountOf(layer, SpanKind::kZstdFrame), layer.table->span_count());
  EXPECT_FALSE(layer.table->needs_frames());
  EXPECT_LE(layer.table->span_count(), tar.size() / kSpanBytes);
}

TEST(FirstPass, LargeZstdFramesAreReencoded) {
  const std::string tar = SomeTar(55'000'000, 5);
  const std::string blob =
      Zstd(tar.substr(0, 2'000'000)) + Zstd(tar.substr(2'000'000, 30'000'000)) +
      Zstd(tar.substr(32'000'000, 15'000'000)) + Zstd(tar.substr(47'000'000));
  const IndexedLayer layer(blob);
  ExpectSpansGive(layer, tar);
  EXPECT_TRUE(layer.table->needs_frames());
  EXPECT_EQ(layer.table->span(0).file, SpanFile::kBlob);
  EXPECT_EQ(layer.table->span(0).length, 2'000'000u);
  EXPECT_EQ(layer.table->span(1).file, SpanFile::kFrames);
  const size_t direct = layer.table->Find(40'000'000);
  EXPECT_EQ(layer.table->span(direct).file, SpanFile::kBlob);
}

TEST(FirstPass, Bzip2AndXzAreReencoded) {
  const std::string tar = SomeTar(5'000'000, 6);
  const std::string a = tar.substr(0, 2'000'001);
  const std::string b = tar.substr(a.size());
  ExpectSpansGive(IndexedLayer(testing::Bzip2(a) + testing::Bzip2(b)), tar);
  ExpectSpansGive(
      IndexedLayer(testing::Xz(a) + std::string(8, '\0') + testing::Xz(b)),
      tar);
}

TEST(FirstPass, EmptyLayersAreLayers) {
  for (const std::string& tar : {std::string(), std::string(1024, '\0')}) {
    for (const std::string& blob :
         {tar, Gzip(tar), Zstd(tar), testing::Bzip2(tar), testing::Xz(tar)}) {
      TemporaryFolder folder;
      auto result = RunFirstPass(blob, {.folder = folder.path()});
      ASSERT_TRUE(result) << result.error().message();
      EXPECT_EQ(result->index.size(), 0u);
      EXPECT_EQ(result->diff_id.text(), DigestOf(tar).text());
      auto table = SpanTable::Open(folder.path() / kSpansFile);
      ASSERT_TRUE(table);
      EXPECT_EQ((*table)->size(), tar.size());
    }
  }
}

TEST(FirstPass, ReadersOfTheFrontWaitForItAlone) {
  const std::string tar = SomeTar(9'000'000, 7);
  for (const std::string& blob : {tar, Gzip(tar), Zstd(tar)}) {
    const IndexedLayer layer(blob);
    for (size_t i = 0; i < layer.table->span_count(); ++i) {
      const Span span = layer.table->span(i);
      std::string out(span.length, '\0');
      auto decoder =
          SpanDecoder::Start(*layer.table, i, *layer.source, layer.frames.get(),
                             std::as_writable_bytes(std::span(out)));
      ASSERT_TRUE(decoder);
      EXPECT_EQ((*decoder)->ready(), 0u);
      for (const uint64_t end :
           {uint64_t{1}, uint64_t{100}, kBlockBytes, kBlockBytes + 1,
            3 * kBlockBytes, 2 * span.length}) {
        ASSERT_TRUE((*decoder)->DecodeTo(end));
        const uint64_t ready = (*decoder)->ready();
        EXPECT_GE(ready, std::min(end, span.length));
        EXPECT_LT(ready, end + kBlockBytes);
        ASSERT_TRUE(out.substr(0, ready) == tar.substr(span.offset, ready));
      }
    }
  }
}

TEST(FirstPass, ADamagedBlobNeverShows) {
  const std::string tar = SomeTar(6'000'000, 8);
  for (const std::string& blob : {tar, Gzip(tar), Zstd(tar)}) {
    IndexedLayer layer(blob);
    std::mt19937_64 random(1);
    int wrong = 0;
    for (int round = 0; round < 40; ++round) {
      layer.blob = blob;
      const size_t at = random() % blob.size();
      layer.blob[at] = static_cast<char>(layer.blob[at] ^ (1 << random() % 8));
      layer.Open();
      for (size_t i = 0; i < layer.table->span_count(); ++i) {
        const Span span = layer.table->span(i);
        auto bytes = layer.Decode(i);
        if (bytes) {
          EXPECT_TRUE(*bytes == tar.substr(span.offset, span.length));
        } else {
          EXPECT_EQ(bytes.error().code(), ErrorCode::kCorrupt);
          ++wrong;
        }
      }
    }
    EXPECT_GT(wrong, 35);
    layer.blob = blob.substr(0, blob.size() / 2);
    layer.Open();
    EXPECT_EQ(layer.Decode(layer.table->span_count() - 1).error().code(),
              ErrorCode::kCorrupt);
  }
}

TEST(FirstPass, ADamagedSpanTableNeverShows) {
  const std::string tar = SomeTar(9'000'000, 9);
  const IndexedLayer layer(Gzip(tar));
  const auto path = layer.folder.path() / kSpansFile;
  const std::string good = *ReadFile(path, 1 << 30);
  std::mt19937_64 random(1);
  for (int round = 0; round < 400; ++round) {
    // Header and table byte by byte, the states at random.
    const size_t at = round < 80    ? static_cast<size_t>(round)
                      : round < 200 ? good.size() - 1 - random() % 400
                                    : random() % good.size();
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    std::ofstream(path, std::ios::binary) << bad;
    auto table = SpanTable::Open(path);
    if (!table) {
      EXPECT_EQ(table.error().code(), ErrorCode::kCorrupt);
      continue;
    }
    int refused = 0;
    for (size_t i = 0; i < (*table)->span_count(); ++i) {
      if ((*table)->span(i).state_length == 0) continue;
      GzipStream stream;
      const Status loaded = (*table)->LoadState(i, stream.Resume());
      if (loaded) continue;
      EXPECT_EQ(loaded.error().code(), ErrorCode::kCorrupt);
      ++refused;
    }
    EXPECT_EQ(refused, 1) << at;
  }
  for (size_t cut : {size_t{0}, size_t{1}, size_t{79}, size_t{80},
                     good.size() / 2, good.size() - 1}) {
    std::ofstream(path, std::ios::binary) << good.substr(0, cut);
    EXPECT_EQ(SpanTable::Open(path).error().code(), ErrorCode::kCorrupt);
  }
  std::ofstream(path, std::ios::binary) << good << "x";
  EXPECT_FALSE(SpanTable::Open(path));
}

TEST(FirstPass, StatesThatOthersCouldWriteAreRefused) {
  const IndexedLayer layer(Gzip(SomeTar(9'000'000, 10)));
  const auto path = layer.folder.path() / kSpansFile;
  using std::filesystem::perms;
  const auto mode = std::filesystem::status(path).permissions();
  EXPECT_EQ(mode & (perms::group_write | perms::others_write), perms::none);
  for (const perms extra : {perms::group_write, perms::others_write}) {
    std::filesystem::permissions(path, mode | extra);
    EXPECT_EQ(SpanTable::Open(path).error().code(), ErrorCode::kCorrupt);
  }
  std::filesystem::permissions(path, mode);
  EXPECT_TRUE(SpanTable::Open(path));
}

TEST(FirstPass, CheckpointsAreSmall) {
  const std::string tar =
      TarBuilder().File("f", TextLikeBytes(20 << 20, 11)).Build();
  const IndexedLayer layer(Gzip(tar));
  const auto size =
      std::filesystem::file_size(layer.folder.path() / kSpansFile);
  EXPECT_LT(size, layer.table->span_count() * (30 << 10));
}

void ExpectNothingIn(const std::filesystem::path& folder) {
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    ADD_FAILURE() << file.path() << " was left";
  }
}

TEST(FirstPass, WrongBytesAreNamedAndLeaveNothing) {
  const std::string tar = TarBuilder().File("f", "data").Build();
  const std::string gzip = Gzip(tar);
  const std::string damaged = Gzip("no tar at all");
  const Digest digest = DigestOf(gzip);
  const DiffId diff_id = DiffId::FromText(DigestOf(tar).text());
  TemporaryFolder folder;
  const auto error = [&](std::string_view blob, FirstPassOptions options) {
    options.folder = folder.path();
    auto result = RunFirstPass(blob, options);
    EXPECT_FALSE(result);
    ExpectNothingIn(folder.path());
    return result ? std::string() : result.error().message();
  };
  EXPECT_EQ(error(gzip, {.digest = DigestOf("other")}),
            "wrong digest: the bytes have " + digest.text());
  EXPECT_EQ(error(gzip, {.digest = digest, .size = 7}),
            "wrong size: expected 7 bytes, got " + std::to_string(gzip.size()));
  EXPECT_EQ(error(gzip, {.diff_id = DiffId::FromText(digest.text())}),
            "wrong diff ID: the image config says " + digest.text() +
                ", the layer unpacks to " + diff_id.text());
  // It does not matter what the wrong bytes look like inside.
  EXPECT_THAT(error(damaged, {.digest = digest}), HasSubstr("wrong digest"));
  EXPECT_THAT(error(gzip.substr(0, 30), {.digest = digest}),
              HasSubstr("wrong digest"));
  EXPECT_THAT(
      error(gzip.substr(0, 30), {.digest = digest, .size = gzip.size()}),
      HasSubstr("wrong size"));
  EXPECT_THAT(error(damaged, {.diff_id = diff_id}), HasSubstr("wrong diff ID"));
  // The right bytes, but wrong ones in themselves.
  EXPECT_THAT(error(damaged, {.digest = DigestOf(damaged)}),
              HasSubstr("truncated tar"));
  EXPECT_THAT(error(gzip.substr(0, 30), {}), HasSubstr("truncated gzip"));
  EXPECT_THAT(error(Zstd(tar).substr(0, 30), {}), HasSubstr("truncated zstd"));
  EXPECT_THAT(error(testing::Bzip2(tar).substr(0, 30), {}),
              HasSubstr("truncated bzip2"));
  EXPECT_THAT(error(testing::Xz(tar).substr(0, 30), {}),
              HasSubstr("truncated xz"));
  EXPECT_THAT(error(gzip + "x", {}), HasSubstr("garbage after the gzip"));
  EXPECT_THAT(error(Gzip(tar.substr(0, 514)), {}), HasSubstr("truncated tar"));
}

TEST(FirstPass, OtherDigestAlgorithmsWork) {
  const std::string tar = TarBuilder().File("f", "data").Build();
  Hasher sha512(DigestAlgorithm::kSha512);
  sha512.Update(tar);
  const std::string text = sha512.FinishText();
  TemporaryFolder folder;
  auto result = RunFirstPass(tar, {.digest = Digest::FromText(text),
                                   .diff_id = DiffId::FromText(text),
                                   .folder = folder.path()});
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->digest.text(), text);
}

TEST(FirstPass, BombsAreRefused) {
  const std::string tar =
      TarBuilder().File("f", std::string(20 << 20, '\0')).Build();
  for (const std::string& blob :
       {tar, Gzip(tar), Zstd(tar), testing::Bzip2(tar), testing::Xz(tar)}) {
    TemporaryFolder folder;
    auto result = RunFirstPass(
        blob, {.max_uncompressed = 10 << 20, .folder = folder.path()});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(result.error().message(), HasSubstr("10485760"));
    ExpectNothingIn(folder.path());
    EXPECT_TRUE(RunFirstPass(
        blob, {.max_uncompressed = tar.size(), .folder = folder.path()}));
  }
}

TEST(FirstPass, ZstdWindowsBeyondTheLimitAreRefused) {
  // A frame header that asks for 2^28 bytes, and an empty last block.
  const std::string frame = {'\x28', '\xb5', '\x2f', '\xfd', '\x00',
                             '\x90', '\x01', '\x00', '\x00'};
  TemporaryFolder folder;
  auto result = RunFirstPass(frame, {.folder = folder.path()});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kUnsupported);
  std::string allowed = frame;
  allowed[5] = '\x88';  // 2^27
  EXPECT_TRUE(RunFirstPass(allowed, {.folder = folder.path()}));
}

TEST(FirstPass, AbandonedOnesEndAndLeaveNothing) {
  const std::string blob = Gzip(SomeTar(8'000'000, 12));
  TemporaryFolder folder;
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{100'000}, blob.size()}) {
    auto pass = FirstPass::Start({.folder = folder.path()});
    ASSERT_TRUE(pass);
    (*pass)->Write(Bytes(std::string_view(blob).substr(0, size)));
    pass->reset();
    ExpectNothingIn(folder.path());
  }
}

TEST(FirstPass, SeveralRunAtOnce) {
  const std::string tar = SomeTar(5'000'000, 13);
  const std::string blob = Gzip(tar);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      TemporaryFolder folder;
      auto result = RunFirstPass(blob, {.folder = folder.path()}, 8192);
      ASSERT_TRUE(result);
      EXPECT_EQ(result->diff_id.text(), DigestOf(tar).text());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(FirstPass, AFolderThatCannotBeWrittenIsNamed) {
  auto pass = FirstPass::Start({.folder = "/proc/none"});
  ASSERT_FALSE(pass);
  EXPECT_THAT(pass.error().message(), HasSubstr("/proc/none"));
}

TEST(DetectCompression, GoesByTheFirstBytes) {
  EXPECT_EQ(DetectCompression(Bytes(Gzip("x"))), Compression::kGzip);
  EXPECT_EQ(DetectCompression(Bytes(Zstd("x"))), Compression::kZstd);
  EXPECT_EQ(DetectCompression(Bytes(SkippableFrame("x"))), Compression::kZstd);
  EXPECT_EQ(DetectCompression(Bytes(testing::Bzip2("x"))), Compression::kBzip2);
  EXPECT_EQ(DetectCompression(Bytes(testing::Xz("x"))), Compression::kXz);
  EXPECT_EQ(DetectCompression(Bytes(TarBuilder().Dir("d").Build())),
            Compression::kNone);
  EXPECT_EQ(DetectCompression({}), Compression::kNone);
  EXPECT_EQ(DetectCompression(Bytes("\x1f\x8b")), Compression::kNone);
}

TEST(FirstPass, TellsWhereMembersStart) {
  const std::string tar =
      TarBuilder().File("a", std::string(2000, 'a')).File("b", "b").Build();
  // An empty member shares its place in the tar with the one after it.
  const std::string rest = tar.substr(1000);
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{Gzip(tar.substr(0, 1000)), Gzip(""), Gzip(rest)}, "gzip"},
      {{Zstd(tar.substr(0, 1000)), SkippableFrame("skipped"), Zstd(rest)},
       "zstd"},
  };
  for (const auto& [parts, name] : cases) {
    const uint64_t second = parts[0].size();
    const uint64_t third = second + parts[1].size();
    for (const size_t step : {1, 1'000'000}) {
      const TemporaryFolder folder;
      const auto pass = RunFirstPass(
          parts[0] + parts[1] + parts[2],
          {.folder = folder.path(),
           .wanted_starts = {third, 0, third, second, second + 1, 1'000'000}},
          step);
      ASSERT_TRUE(pass) << pass.error().message();
      EXPECT_EQ(pass->starts.Find(0), 0u) << name;
      EXPECT_EQ(pass->starts.Find(second), 1000u) << name;
      EXPECT_EQ(pass->starts.Find(third), 1000u) << name;
      for (const uint64_t other : {uint64_t{1}, second + 1, third + 1,
                                   uint64_t{1'000'000}, UINT64_MAX}) {
        EXPECT_EQ(pass->starts.Find(other), std::nullopt) << name << other;
      }
    }
  }
}

TEST(OpenBlobFile, ReadsUpToTheEnd) {
  TemporaryFolder folder;
  std::ofstream(folder.path() / "blob") << "0123456789";
  auto blob = OpenBlobFile(folder.path() / "blob");
  ASSERT_TRUE(blob);
  EXPECT_EQ((*blob)->size(), 10u);
  std::string out(6, '\0');
  const auto read = [&](uint64_t offset) {
    return *(*blob)->Read(offset, std::as_writable_bytes(std::span(out)));
  };
  EXPECT_EQ(read(2), 6u);
  EXPECT_EQ(out, "234567");
  EXPECT_EQ(read(7), 3u);
  EXPECT_EQ(read(10), 0u);
  EXPECT_EQ(read(UINT64_MAX), 0u);
  (*blob)->WillNeed(0, 10);
  EXPECT_EQ(OpenBlobFile(folder.path() / "none").error().code(),
            ErrorCode::kNotFound);
  EXPECT_FALSE(OpenBlobFile(folder.path()));
}

}  // namespace
}  // namespace imgmount
