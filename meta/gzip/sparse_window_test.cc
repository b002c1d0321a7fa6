// SPDX-License-Identifier: Apache-2.0
#include "meta/gzip/sparse_window.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "meta/gzip/gzip_stream.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

// A stream decoded to `at`, its state there, and what comes then.
struct Point {
  std::string state;
  std::string rest;
  std::string next;  // at most kWindowBytes
};

Point PointAt(const std::string& bytes, size_t at) {
  const std::string gzip = testing::Gzip(bytes);
  GzipStream stream;
  std::string decoded(at, '\0');
  auto in = std::as_bytes(std::span(gzip));
  auto out = std::as_writable_bytes(std::span(decoded));
  while (!out.empty()) EXPECT_TRUE(stream.Step(in, out));
  EXPECT_TRUE(stream.in_data());
  return {stream.SaveState(), gzip.substr(gzip.size() - in.size()),
          bytes.substr(at, kWindowBytes)};
}

void Drop(std::string& state, const std::string& in, const std::string& out) {
  DropUnusedWindow(state, std::as_bytes(std::span(in)),
                   std::as_bytes(std::span(out)));
}

std::string DecodeFrom(const std::string& state, const std::string& rest,
                       size_t size) {
  GzipStream stream;
  EXPECT_TRUE(stream.RestoreState(state));
  std::string decoded(size, '\0');
  auto in = std::as_bytes(std::span(rest));
  auto out = std::as_writable_bytes(std::span(decoded));
  while (!out.empty()) {
    if (!stream.Step(in, out)) return "an error";
  }
  return decoded;
}

size_t ZerosIn(std::string& state) {
  const auto window = GzipStream::WindowOf(state);
  return static_cast<size_t>(std::count(window.begin(), window.end(), '\0'));
}

TEST(SparseWindow, TheStreamGoesOnAsBefore) {
  for (const uint64_t seed : {1, 2, 3}) {
    const std::string bytes = testing::TextLikeBytes(300'000, seed);
    for (const size_t at : {1000u, 40'000u, 123'456u, 290'000u}) {
      Point point = PointAt(bytes, at);
      Drop(point.state, point.rest, point.next);
      // To the end: also the member's checksum comes out right.
      EXPECT_EQ(DecodeFrom(point.state, point.rest, bytes.size() - at),
                bytes.substr(at))
          << seed << " " << at;
    }
  }
}

TEST(SparseWindow, KeepsOnlyWhatIsCopied) {
  // Random bytes are not copied from, but for the part that comes again.
  const std::string random = testing::RandomBytes(100'000, 1);
  const std::string again = random.substr(80'000, 5'000);
  Point point = PointAt(random + again + random.substr(0, 60'000), 100'000);
  const size_t before = ZerosIn(point.state);
  Drop(point.state, point.rest, point.next);
  const size_t kept =
      GzipStream::WindowOf(point.state).size() - ZerosIn(point.state);
  EXPECT_LT(before, 1000u);
  // Some of the copy was made before the checkpoint.
  EXPECT_GT(kept, 4'600u);
  EXPECT_LT(kept, 5'200u);
}

TEST(SparseWindow, KeepsEverythingWhereWhatFollowsIsNotThere) {
  const std::string bytes = testing::TextLikeBytes(300'000, 1);
  Point point = PointAt(bytes, 100'000);
  const std::string whole = point.state;
  Drop(point.state, point.rest.substr(0, 100), point.next);
  EXPECT_TRUE(point.state == whole);
}

}  // namespace
}  // namespace imgmount
