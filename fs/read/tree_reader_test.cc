// SPDX-License-Identifier: Apache-2.0
#include "fs/read/tree_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <mutex>
#include <thread>

#include "tests/support/test_image.h"

namespace imgmount {
namespace {

using testing::RandomBytes;
using testing::TestImage;
using testing::TestLayer;

constexpr uint64_t kSpan = 1 << 20;  // of the test images

std::string ReadAll(TreeReader& reader, Ino ino, uint64_t offset,
                    size_t length) {
  std::string out(length, '?');
  const auto got =
      reader.Read(ino, offset, std::as_writable_bytes(std::span(out)));
  EXPECT_TRUE(got) << got.error().message();
  out.resize(got.value_or(0));
  return out;
}

std::shared_ptr<ReadBudget> WithoutDecodingAhead() {
  return std::make_shared<ReadBudget>(ReadLimits{.decode_ahead_threads = 0});
}

TestLayer WithLargeFile(const std::string& content) {
  TestLayer layer;
  layer.Content("before", RandomBytes(1000, 1));
  layer.Content("large", content);
  layer.Content("after", "the end");
  return layer;
}

TEST(TreeReader, ReadsAnyPartOfAFile) {
  const std::string content = RandomBytes(3 * kSpan + 12345, 2);
  TestImage image({WithLargeFile(content)});
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  const Ino ino = image.ino("large");
  // Around the edges of pages, blocks, spans (the file starts at 1000) and the
  // file.
  for (const uint64_t edge :
       {uint64_t{0}, uint64_t{4096}, kBlockBytes - 1000, kSpan - 1000,
        2 * kSpan - 1000, uint64_t{content.size()}}) {
    for (const int64_t shift : {-4097, -1, 0, 1, 4095}) {
      const int64_t offset = static_cast<int64_t>(edge) + shift;
      if (offset < 0) continue;
      for (const size_t length : {1u, 2u, 4096u, 131072u, 1u << 20}) {
        const std::string expected =
            static_cast<size_t>(offset) < content.size()
                ? content.substr(offset, length)
                : "";
        ASSERT_EQ(ReadAll(*reader, ino, offset, length), expected)
            << offset << " " << length;
      }
    }
  }
  EXPECT_EQ(ReadAll(*reader, ino, 0, content.size() + 1), content);
  EXPECT_EQ(ReadAll(*reader, image.ino("after"), 0, 4096), "the end");
  EXPECT_EQ(ReadAll(*reader, ino, ~uint64_t{0}, 4096), "");
}

TEST(TreeReader, FillsHolesWithZeros) {
  TestLayer layer;
  layer.SparseContent("middle", 300'000, {{100'000, "abc"}, {200'000, "d"}});
  layer.SparseContent("end", 10, {{7, "xyz"}});
  layer.SparseContent("all", 1 << 20, {});
  TestImage image({layer});
  const auto reader = TreeReader::Make(image.tree(), image.opener());

  std::string expected(300'000, '\0');
  expected.replace(100'000, 3, "abc");
  expected.replace(200'000, 1, "d");
  const Ino middle = image.ino("middle");
  EXPECT_EQ(ReadAll(*reader, middle, 0, 400'000), expected);
  EXPECT_EQ(ReadAll(*reader, middle, 99'999, 3), expected.substr(99'999, 3));
  EXPECT_EQ(ReadAll(*reader, middle, 100'001, 5), expected.substr(100'001, 5));
  EXPECT_EQ(ReadAll(*reader, middle, 250'000, 99), std::string(99, '\0'));
  EXPECT_EQ(ReadAll(*reader, image.ino("end"), 5, 9),
            std::string("\0\0xyz", 5));
  EXPECT_EQ(ReadAll(*reader, image.ino("all"), 0, 2 << 20),
            std::string(1 << 20, '\0'));
}

TEST(TreeReader, ReadsAFileInThousandsOfPieces) {
  TestLayer layer;
  std::vector<std::pair<uint64_t, std::string>> runs;
  std::string expected(100'000, '\0');
  for (uint64_t at = 0; at + 10 < expected.size(); at += 20) {
    runs.emplace_back(at, RandomBytes(10, at));
    expected.replace(at, 10, runs.back().second);
  }
  layer.SparseContent("shreds", expected.size(), runs);
  TestImage image({layer});
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  const auto bytes = reader->View(image.ino("shreds"), 0, expected.size());
  ASSERT_TRUE(bytes);
  EXPECT_LE(bytes->pieces.size(), 1024u) << "writev(2) takes no more";
  EXPECT_EQ(ReadAll(*reader, image.ino("shreds"), 0, expected.size()),
            expected);
}

TEST(TreeReader, ReadsEachFileFromItsOwnLayer) {
  TestLayer lower;
  lower.Content("a", "lower a").Content("b", "lower b");
  TestLayer upper;
  upper.Content("b", "upper b");
  TestImage image({lower, upper});
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  EXPECT_EQ(ReadAll(*reader, image.ino("a"), 0, 100), "lower a");
  EXPECT_EQ(image.tar(1).opened, 0) << "layers are opened when needed";
  EXPECT_EQ(ReadAll(*reader, image.ino("b"), 0, 100), "upper b");
}

TEST(TreeReader, GivesBytesWithoutACopy) {
  TestImage image({WithLargeFile(RandomBytes(kSpan, 3))});
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  const auto first = reader->View(image.ino("large"), 0, 4096);
  const auto second = reader->View(image.ino("large"), 0, 4096);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->pieces[0].data(), second->pieces[0].data());
  EXPECT_EQ(first->file_size, kSpan);
}

TEST(TreeReader, DecodesNoMoreThanItMust) {
  TestImage image({WithLargeFile(RandomBytes(kSpan - 5000, 4))});
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  ReadAll(*reader, image.ino("large"), 0, 1000);
  EXPECT_EQ(image.tar(0).bytes_read, kBlockBytes);
}

TEST(TreeReader, KnowsWhatItHasDecoded) {
  TestImage image({WithLargeFile(RandomBytes(3 * kSpan, 4))});
  TreeReaderOptions options;
  options.budget = WithoutDecodingAhead();
  const auto reader = TreeReader::Make(image.tree(), image.opener(), options);
  const Ino large = image.ino("large");
  EXPECT_FALSE(reader->HasDecoded(large, 0, 1000)) << "the layer is not open";
  ReadAll(*reader, large, 0, 1000);
  EXPECT_TRUE(reader->HasDecoded(large, 0, 1000));
  EXPECT_TRUE(reader->HasDecoded(large, 5000, kBlockBytes / 2)) << "same block";
  EXPECT_FALSE(reader->HasDecoded(large, 0, kBlockBytes));
  EXPECT_FALSE(reader->HasDecoded(large, kSpan, 1000));
  ReadAll(*reader, large, 0, 2 * kSpan);
  EXPECT_TRUE(reader->HasDecoded(large, kSpan - 500, 1000)) << "of two spans";
  EXPECT_TRUE(reader->HasDecoded(large, 3 * kSpan, 1000)) << "beyond the end";
}

TEST(TreeReader, DecodesAheadWhenReadingInOrder) {
  const std::string content = RandomBytes(8 * kSpan, 5);
  TestImage image({WithLargeFile(content)});
  std::latch third_span_decoded(1);
  image.tar(0).on_read = [&](uint64_t offset) {
    if (offset == 3 * kSpan - kBlockBytes) third_span_decoded.count_down();
  };
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  std::string all;
  while (all.size() < 4 * 65536) {
    all += ReadAll(*reader, image.ino("large"), all.size(), 65536);
  }
  third_span_decoded.wait();
  while (all.size() < content.size()) {
    all += ReadAll(*reader, image.ino("large"), all.size(), 65536);
  }
  EXPECT_EQ(all, content);
  // Each span is decoded once; but a thread that was held up may be at one
  // that the reader has left behind.
  EXPECT_LE(image.tar(0).bytes_read, image.tar(0).bytes.size() + kSpan);
}

// HasDecoded() of the first byte tells which spans are kept.
TEST(TreeReader, ForgetsWhatWasReadFromEndToEnd) {
  const std::string content = RandomBytes(8 * kSpan, 5);
  TestImage image({WithLargeFile(content)});
  const auto reader = TreeReader::Make(image.tree(), image.opener(),
                                       {.budget = WithoutDecodingAhead()});
  const Ino ino = image.ino("large");
  for (uint64_t at = 0; at < content.size(); at += 128 << 10) {
    ASSERT_EQ(ReadAll(*reader, ino, at, 128 << 10),
              content.substr(at, 128 << 10));
  }
  EXPECT_FALSE(reader->HasDecoded(ino, 3 * kSpan, 1));
  EXPECT_TRUE(reader->HasDecoded(ino, content.size() - 1, 1));
}

TEST(TreeReader, KeepsWhatWasReadInPartOnly) {
  const std::string content = RandomBytes(8 * kSpan, 6);
  TestImage image({WithLargeFile(content)});
  const auto reader = TreeReader::Make(image.tree(), image.opener(),
                                       {.budget = WithoutDecodingAhead()});
  const Ino ino = image.ino("large");
  for (uint64_t at = 0; at < content.size(); at += 512 << 10) {
    ASSERT_EQ(ReadAll(*reader, ino, at, 4096), content.substr(at, 4096));
  }
  for (uint64_t span = 0; span < 8; ++span) {
    EXPECT_TRUE(reader->HasDecoded(ino, span * kSpan, 1)) << span;
  }
}

TEST(TreeReader, DecodesWhatTheLastStartRead) {
  TestImage image({WithLargeFile(RandomBytes(16 * kSpan, 6))});
  const Ino ino = image.ino("large");
  std::vector<AccessProfile> saved;
  TreeReaderOptions options;
  options.profiles.save = [&](const auto& profiles) { saved = profiles; };
  const auto read = [&](TreeReader& reader, uint64_t span) {
    ReadAll(reader, ino, span * kSpan + 5000, 100);
  };
  {
    const auto reader = TreeReader::Make(image.tree(), image.opener(), options);
    for (const uint64_t span : {9, 3, 12, 6}) read(*reader, span);
  }
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_EQ(saved[0].size(), 4u);

  // Files that are gone do no harm.
  const auto number = [](Ino i) { return static_cast<uint32_t>(i.number()); };
  const Ino before = image.ino("before");
  saved[0].push_back({uint64_t{1} << 60, number(ino), 5});
  saved[0].push_back({0, ~0U, 5});
  saved[0].push_back({0, number(kRootIno), 5});
  saved[0].push_back({0, number(before), ~0U});
  options.profiles.known = saved;
  const auto reader = TreeReader::Make(image.tree(), image.opener(), options);
  read(*reader, 9);
  for (const uint64_t span : {3, 12, 6}) {
    while (!reader->HasDecoded(ino, span * kSpan + 5000, 100)) {
      std::this_thread::yield();
    }
  }
  while (!reader->HasDecoded(before, 0, 1000)) {
    std::this_thread::yield();
  }
}

TEST(TreeReader, WhatThePageCacheHasBelongsToAStart) {
  const std::string content = RandomBytes(16 * kSpan, 6);
  TestImage image({WithLargeFile(content)});
  const Ino ino = image.ino("large");
  std::vector<AccessProfile> saved;
  TreeReaderOptions options;
  options.profiles.save = [&](const auto& profiles) { saved = profiles; };
  {
    const auto reader = TreeReader::Make(image.tree(), image.opener(), options);
    EXPECT_EQ(reader->ViewDecoded({ino, 3 * kSpan, 100})->size, 0u);
    for (const uint64_t span : {9, 3, 12}) {
      ReadAll(*reader, ino, span * kSpan, 100);
    }
    // To look at what is decoded is not to read it.
    ReadAll(*reader, ino, 5 * kSpan - 100'000, 100);
    const auto bytes = reader->ViewDecoded({ino, 4 * kSpan, 100});
    ASSERT_TRUE(bytes);
    ASSERT_EQ(bytes->size, 100u);
    EXPECT_EQ(std::memcmp(bytes->pieces.at(0).data(),
                          content.data() + 4 * kSpan, 100),
              0);
    reader->OnStored({ino, 6 * kSpan, 100});
  }
  ASSERT_EQ(saved.size(), 1u);
  std::vector<uint64_t> spans;
  for (const ProfilePart& part : saved[0]) {
    EXPECT_EQ(part.ino, ino.number());
    spans.push_back(part.offset / kSpan);
  }
  EXPECT_EQ(spans, (std::vector<uint64_t>{9, 3, 12, 4, 6}));
}

TEST(TreeReader, DecodesWhatIsNearAfterRandomReads) {
  TestImage image({WithLargeFile(RandomBytes(16 * kSpan, 6))});
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  const Ino large = image.ino("large");
  ReadAll(*reader, large, 9 * kSpan, 100);
  for (const uint64_t span : {8, 10}) {
    while (!reader->HasDecoded(large, span * kSpan, kSpan / 2)) {
      std::this_thread::yield();
    }
  }
}

TEST(TreeReader, DecodesTheRestOfASpanAndNoMoreInAVeryLargeFile) {
  TestImage image({WithLargeFile(RandomBytes(45 * kSpan, 6))});
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  const Ino large = image.ino("large");
  for (const uint64_t span : {9, 3, 12, 6}) {
    ReadAll(*reader, large, span * kSpan, 100);
  }
  // "large" begins a little after the beginning of the tar.
  while (!reader->HasDecoded(large, 6 * kSpan, kSpan / 2)) {
    std::this_thread::yield();
  }
  for (const uint64_t span : {10, 4, 13, 7}) {
    EXPECT_FALSE(reader->HasDecoded(large, span * kSpan, 100)) << span;
  }
}

TEST(TreeReader, SharesSpansOfALayerWithReadersOfOtherImages) {
  const std::string content = RandomBytes(2 * kSpan, 9);
  TestLayer other;
  other.Content("other", "in one image only");
  TestImage a({WithLargeFile(content), other});
  TestImage b({other, WithLargeFile(content)});
  a.tar(0).identity = b.tar(1).identity = "sha256:the same";
  const auto budget = WithoutDecodingAhead();
  auto reader_a = TreeReader::Make(a.tree(), a.opener(), {.budget = budget});
  const auto reader_b =
      TreeReader::Make(b.tree(), b.opener(), {.budget = budget});
  const Ino in_a = a.ino("large");
  const Ino in_b = b.ino("large");

  EXPECT_EQ(ReadAll(*reader_a, in_a, 0, kSpan), content.substr(0, kSpan));
  EXPECT_EQ(ReadAll(*reader_b, in_b, 0, 10), content.substr(0, 10));
  EXPECT_TRUE(reader_b->HasDecoded(in_b, kSpan / 2, 1000));
  EXPECT_EQ(b.tar(1).bytes_read, 0u);
  // Decoders under way go with the reader whose they are; the rest stays.
  reader_a.reset();
  EXPECT_TRUE(reader_b->HasDecoded(in_b, 0, 10));
  EXPECT_EQ(ReadAll(*reader_b, in_b, 0, 2 * kSpan), content);
  EXPECT_GT(b.tar(1).bytes_read, 0u);
  EXPECT_LE(b.tar(1).bytes_read, 2 * kSpan);
}

TEST(TreeReader, DecodesAheadForManyReadersByTheSameThreads) {
  const std::string content = RandomBytes(16 * kSpan, 6);
  TestImage image({WithLargeFile(content)});
  const auto budget = std::make_shared<ReadBudget>();
  const Ino large = image.ino("large");
  for (int i = 0; i < 20; ++i) {
    // Goes while the spans around its read are being decoded.
    const auto reader =
        TreeReader::Make(image.tree(), image.opener(), {.budget = budget});
    ReadAll(*reader, large, 9 * kSpan, 100);
  }
  const auto reader =
      TreeReader::Make(image.tree(), image.opener(), {.budget = budget});
  ReadAll(*reader, large, 9 * kSpan, 100);
  while (!reader->HasDecoded(large, 8 * kSpan, kSpan / 2)) {
    std::this_thread::yield();
  }
}

TEST(TreeReader, NeverShowsWrongBytes) {
  const std::string content = RandomBytes(2 * kSpan, 7);
  TestImage image({WithLargeFile(content)});
  std::mutex mutex;
  std::vector<std::string> log;
  TreeReaderOptions options;
  options.log = [&](std::string_view line) {
    const std::lock_guard lock(mutex);
    log.emplace_back(line);
  };
  options.budget = WithoutDecodingAhead();  // nobody reads while bytes change
  const auto reader = TreeReader::Make(image.tree(), image.opener(), options);
  const uint64_t wrong = kSpan + 2 * kBlockBytes;  // in the second span
  image.tar(0).bytes[wrong] ^= 1;

  std::string out(4096, '?');
  const Ino ino = image.ino("large");
  for (int i = 0; i < 3; ++i) {
    const auto got =
        reader->Read(ino, wrong - 1000, std::as_writable_bytes(std::span(out)));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), ErrorCode::kCorrupt);
  }
  EXPECT_THAT(log, ::testing::ElementsAre(::testing::HasSubstr("layer 0")));
  // The blocks before are good, and so is the file once the disk is.
  EXPECT_EQ(ReadAll(*reader, ino, kSpan, 4096), content.substr(kSpan, 4096));
  image.tar(0).bytes[wrong] ^= 1;
  EXPECT_EQ(ReadAll(*reader, ino, 0, content.size()), content);
}

TEST(TreeReader, TriesAgainToOpenALayerThatWasMissing) {
  TestImage image({WithLargeFile("content")});
  image.tar(0).refuse_to_open = true;
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  const auto missing = reader->View(image.ino("large"), 0, 10);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(), "layer 0: no such blob");
  image.tar(0).refuse_to_open = false;
  EXPECT_EQ(ReadAll(*reader, image.ino("large"), 0, 10), "content");
}

TEST(TreeReader, RefusesAFileBeyondTheEndOfItsTar) {
  TestImage image({WithLargeFile("content")});
  image.tar(0).bytes.resize(1003);
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  const auto got = reader->View(image.ino("large"), 0, 10);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kCorrupt);
}

TEST(TreeReader, ServesManyReadersAtOnce) {
  const std::string content = RandomBytes(6 * kSpan, 8);
  TestImage image({WithLargeFile(content)});
  TreeReaderOptions options;
  options.budget = std::make_shared<ReadBudget>(
      ReadLimits{.cache_bytes = 3 * kSpan,  // so that spans come and go
                 .decode_ahead_threads = 2});
  const auto reader = TreeReader::Make(image.tree(), image.opener(), options);
  constexpr int kReaders = 64;
  std::latch all_here(kReaders);
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i] {
      all_here.arrive_and_wait();
      for (uint64_t n = 0; n < 20; ++n) {
        const bool in_order = i % 2 == 0;
        const uint64_t offset =
            in_order ? n * 100'000
                     : (n * 7919 * 4096 + i * 65537) % (5 * kSpan);
        ASSERT_EQ(ReadAll(*reader, image.ino("large"), offset, 100'000),
                  content.substr(offset, 100'000));
      }
    });
  }
  for (auto& thread : readers) thread.join();
  EXPECT_EQ(image.tar(0).opened, 1);
}

}  // namespace
}  // namespace imgmount
