// SPDX-License-Identifier: Apache-2.0
#include "fs/read/read_pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

namespace imgmount {
namespace {

constexpr uint64_t kSpan = 1 << 20;
constexpr size_t kDepth = 2;

using Spans = std::vector<size_t>;

SpanRead Read(uint64_t offset, uint64_t length, uint64_t file,
              uint64_t file_end) {
  return {{offset, length},
          file,
          offset / kSpan,
          file / kSpan,
          (file_end - 1) / kSpan};
}

// A read in a file of `count` spans, which begins with span `first`.
SpanRead ReadOfSpan(size_t span, size_t first, size_t count) {
  return Read(span * kSpan, 4096, first * kSpan, (first + count) * kSpan);
}

// All spans that are to be decoded while [begin, end) of a file is read.
std::set<size_t> DecodedFor(ReadPattern& pattern, uint64_t begin, uint64_t end,
                            uint64_t file, uint64_t file_end) {
  std::set<size_t> all;
  for (uint64_t at = begin; at < end; at += 64 << 10) {
    const uint64_t n = std::min<uint64_t>(64 << 10, end - at);
    const auto advice = pattern.OnRead(Read(at, n, file, file_end), kDepth);
    for (size_t i = advice.decode.begin; i < advice.decode.end; ++i) {
      EXPECT_TRUE(all.insert(i).second) << "told twice of " << i;
    }
  }
  return all;
}

TEST(ReadPattern, DecodesAheadInALargeFileAndFurtherAfterALongTime) {
  ReadPattern pattern;
  const uint64_t size = 20 * kSpan;
  EXPECT_EQ(DecodedFor(pattern, 0, 4 * kSpan, 0, size),
            (std::set<size_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(*DecodedFor(pattern, 4 * kSpan, 9 * kSpan, 0, size).rbegin(), 12u);
}

// As a program that starts reads the beginning of each library.
TEST(ReadPattern, StaysInsideAFileThatMayBeTheLast) {
  ReadPattern pattern;
  const uint64_t file = 10 * kSpan + 5000;
  EXPECT_EQ(DecodedFor(pattern, file, file + (512 << 10), file, 12 * kSpan),
            (std::set<size_t>{10, 11}));
}

TEST(ReadPattern, GoesBeyondALargeFileThatWasReadInOrder) {
  ReadPattern pattern;
  EXPECT_TRUE(
      DecodedFor(pattern, 0, 2 * kSpan, 0, 2 * kSpan).contains(1 + kDepth));
}

TEST(ReadPattern, GoesFromFileToFileAfterSome) {
  ReadPattern pattern;
  constexpr uint64_t kFile = 16 << 10;
  constexpr uint64_t kBegin = kSpan - 2 * kFile;
  const auto read = [&](uint64_t n) {
    const uint64_t file = kBegin + n * kFile;
    return DecodedFor(pattern, file, file + kFile, file, file + kFile);
  };
  EXPECT_EQ(read(0), std::set<size_t>());
  EXPECT_EQ(read(1), std::set<size_t>());
  EXPECT_EQ(read(2), std::set<size_t>{1});
  EXPECT_EQ(read(3), (std::set<size_t>{2, 3}));
}

TEST(ReadPattern, ForgetsWhatWasReadFromEndToEnd) {
  ReadPattern pattern;
  Spans forgotten;
  for (uint64_t at = 0; at < 6 * kSpan; at += 128 << 10) {
    const auto forget =
        pattern.OnRead(Read(at, 128 << 10, 0, 8 * kSpan), kDepth).forget;
    for (size_t i = forget.begin; i < forget.end; ++i) forgotten.push_back(i);
  }
  EXPECT_EQ(forgotten, (Spans{1, 2, 3}));
  EXPECT_TRUE(pattern.IsPast(3));
  EXPECT_FALSE(pattern.IsPast(4));
  EXPECT_FALSE(pattern.IsPast(0));
}

TEST(ReadPattern, GuessesAroundColdReadsTheMoreTheMoreThereAre) {
  ReadPattern pattern;
  EXPECT_EQ(pattern.OnColdRead(ReadOfSpan(105, 100, 30)), (Spans{106, 104}));
  EXPECT_EQ(pattern.OnColdRead(ReadOfSpan(120, 100, 30)),
            (Spans{121, 119, 122, 118}));
  EXPECT_EQ(pattern.OnColdRead(ReadOfSpan(105, 100, 30)),
            (Spans{107, 103, 108, 102, 109, 101}));
}

TEST(ReadPattern, GuessesEachSpanOfAFileOnceAndNoOther) {
  ReadPattern pattern;
  std::set<size_t> all;
  for (const size_t span : {100, 106, 103, 100, 106}) {
    all.insert(span);
    for (const size_t guess : pattern.OnColdRead(ReadOfSpan(span, 100, 7))) {
      EXPECT_TRUE(all.insert(guess).second) << guess;
    }
  }
  EXPECT_EQ(all, (std::set<size_t>{100, 101, 102, 103, 104, 105, 106}));
  EXPECT_EQ(pattern.OnColdRead(ReadOfSpan(200, 200, 1)), Spans());
}

TEST(ReadPattern, GuessesNothingInAVeryLargeFile) {
  ReadPattern pattern;
  EXPECT_EQ(pattern.OnColdRead(ReadOfSpan(139, 100, 40)).size(), 2u);
  EXPECT_EQ(pattern.OnColdRead(ReadOfSpan(1000, 1000, 41)), Spans());
}

TEST(ReadPattern, SurvivesAFileWhosePartsAreInAnyOrder) {
  ReadPattern pattern;
  EXPECT_EQ(pattern.OnColdRead({{99 * kSpan, 1}, 100 * kSpan, 99, 100, 105}),
            Spans());
  EXPECT_EQ(pattern.OnColdRead({{99 * kSpan, 1}, 9 * kSpan, 99, 9, 12}),
            Spans());
}

// Whatever has been read before, what is known of files stays small.
TEST(ReadPattern, ForgetsFiles) {
  ReadPattern pattern;
  for (size_t file = 0; file < 1000; ++file) {
    const auto guesses =
        pattern.OnColdRead(ReadOfSpan(file * 10, file * 10, 10));
    EXPECT_EQ(guesses, (Spans{file * 10 + 1, file * 10 + 2}));
  }
  EXPECT_EQ(pattern.OnColdRead(ReadOfSpan(0, 0, 10)), (Spans{1, 2}));
}

}  // namespace
}  // namespace imgmount
