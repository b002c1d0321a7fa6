// SPDX-License-Identifier: Apache-2.0
#include "meta/gzip/gzip_stream.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

// A member with all optional fields, around raw deflate data of Gzip().
std::string WithFields(const std::string& member, uint8_t flags,
                       const std::string& fields) {
  std::string out = member;
  out[3] = static_cast<char>(flags);
  return out.insert(10, fields);
}

struct Decoded {
  std::string bytes;
  Status status;
};

// Decodes in steps of the given sizes.
Decoded DecodeAll(std::string_view gzip, size_t in_step, size_t out_step) {
  GzipStream stream;
  Decoded result;
  std::string buffer(out_step, '\0');
  bool more = true;
  while (!gzip.empty() || more) {
    const std::string piece(gzip.substr(0, in_step));
    auto in = std::as_bytes(std::span(piece));
    auto out = std::as_writable_bytes(std::span(buffer));
    result.status = stream.Step(in, out);
    if (!result.status) return result;
    gzip.remove_prefix(piece.size() - in.size());
    result.bytes.append(buffer, 0, buffer.size() - out.size());
    more = out.empty();
  }
  result.status = stream.CheckEnd();
  return result;
}

TEST(GzipStream, DecodesInAnySteps) {
  const std::string text = testing::TextLikeBytes(40'000, 1);
  for (const int level : {0, 1, 6, 9}) {
    const std::string gzip = testing::Gzip(text, level);
    for (const size_t in : {1, 3, 64, 5000, 1 << 20}) {
      for (const size_t out : {1, 17, 4096, 1 << 20}) {
        const Decoded d = DecodeAll(gzip, in, out);
        ASSERT_TRUE(d.status) << level << " " << in << " " << out;
        ASSERT_EQ(d.bytes, text) << level << " " << in << " " << out;
      }
    }
  }
}

TEST(GzipStream, MembersFollowEachOther) {
  const std::string a = testing::TextLikeBytes(50'000, 2);
  const std::string b = testing::RandomBytes(30'000, 3);
  const std::string gzip = testing::Gzip("") + testing::Gzip(a) +
                           testing::Gzip("") + testing::Gzip(b) +
                           testing::Gzip("");
  for (const size_t in : {1, 1000, 1 << 20}) {
    const Decoded d = DecodeAll(gzip, in, 10'000);
    ASSERT_TRUE(d.status) << d.status.error().message();
    EXPECT_EQ(d.bytes, a + b);
  }
}

TEST(GzipStream, OptionalHeaderFieldsAreSkipped) {
  const std::string text = testing::TextLikeBytes(5'000, 4);
  const std::string member = testing::Gzip(text);
  const std::string extra = std::string("\4\0abcd", 6);
  const std::string name = std::string("name\0", 5);
  for (const auto& [flags, fields] :
       std::initializer_list<std::pair<int, std::string>>{
           {0, ""},
           {1, ""},
           {4, extra},
           {4, std::string(2, '\0')},
           {8, name},
           {8, std::string(1, '\0')},
           {16, name},
           {28, extra + name + name}}) {
    const std::string gzip =
        WithFields(member, static_cast<uint8_t>(flags), fields);
    for (const size_t in : {1, 1 << 20}) {
      const Decoded d = DecodeAll(gzip + gzip, in, 1 << 20);
      ASSERT_TRUE(d.status) << flags << ": " << d.status.error().message();
      EXPECT_EQ(d.bytes, text + text);
    }
  }
  EXPECT_FALSE(DecodeAll(WithFields(member, 32, ""), 9, 9).status);
}

TEST(GzipStream, TheHeadersOwnChecksumIsVerified) {
  const std::string member = testing::Gzip("text");
  // CRC-32 of the header below, its lower half, made with zlib's crc32().
  std::string header = WithFields(member, 2, "").substr(0, 10);
  uint32_t crc = 0xffffffff;
  for (const char c : header) {
    crc ^= static_cast<unsigned char>(c);
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  crc = ~crc;
  std::string field = {static_cast<char>(crc), static_cast<char>(crc >> 8)};
  EXPECT_EQ(DecodeAll(WithFields(member, 2, field), 1, 9).bytes, "text");
  field[0] = static_cast<char>(field[0] ^ 1);
  EXPECT_FALSE(DecodeAll(WithFields(member, 2, field), 1, 9).status);
}

TEST(GzipStream, ZerosMayFollowAndNothingElse) {
  const std::string gzip = testing::Gzip("text");
  EXPECT_TRUE(DecodeAll(gzip + std::string(1000, '\0'), 7, 100).status);
  EXPECT_FALSE(DecodeAll(gzip + "x", 7, 100).status);
  EXPECT_FALSE(DecodeAll(gzip + std::string(9, '\0') + "x", 7, 100).status);
  EXPECT_FALSE(DecodeAll(gzip + '\0' + gzip, 7, 100).status);
  EXPECT_FALSE(DecodeAll(std::string(4, '\0') + gzip, 7, 100).status);
}

TEST(GzipStream, AnyCutIsNoticed) {
  const std::string gzip =
      testing::Gzip(testing::TextLikeBytes(500, 5)) + testing::Gzip("x");
  const size_t first = testing::Gzip(testing::TextLikeBytes(500, 5)).size();
  for (size_t size = 0; size < gzip.size(); ++size) {
    const Decoded d = DecodeAll(gzip.substr(0, size), 100, 1000);
    EXPECT_EQ(d.status.has_value(), size == first) << size;
    if (!d.status) {
      EXPECT_EQ(d.status.error().code(), ErrorCode::kCorrupt);
    }
  }
}

TEST(GzipStream, CrcAndLengthAreVerified) {
  const std::string text = testing::TextLikeBytes(5'000, 6);
  const std::string gzip = testing::Gzip(text);
  for (size_t i = gzip.size() - 8; i < gzip.size(); ++i) {
    std::string bad = gzip;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    for (const size_t step : {1, 1 << 20}) {
      const Decoded d = DecodeAll(bad, step, step);
      ASSERT_FALSE(d.status) << i;
      EXPECT_EQ(d.status.error().message(),
                "gzip data with a wrong CRC-32 or length");
    }
  }
}

TEST(GzipStream, DamagedDataNeverPassesForGood) {
  const std::string text = testing::TextLikeBytes(3'000, 7);
  const std::string gzip = testing::Gzip(text);
  for (size_t i = 10; i < gzip.size(); ++i) {
    std::string bad = gzip;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_FALSE(DecodeAll(bad, 500, 500).status) << i;
  }
}

// At every possible place: a new stream that goes on from the state gives the
// bytes that the old one would have given.
TEST(GzipStream, GoesOnFromASavedState) {
  const std::string text = testing::TextLikeBytes(200'000, 8) +
                           testing::RandomBytes(100'000, 9) +
                           std::string(100'000, 'z');
  const std::string gzip = testing::Gzip(text) + testing::Gzip(text, 1);
  const std::string expected = text + text;
  for (const size_t out_step : {997, 40'000, 70'001}) {
    GzipStream stream;
    auto in = std::as_bytes(std::span(gzip));
    std::string buffer(out_step, '\0');
    size_t done = 0;
    int resumed = 0;
    while (!in.empty()) {
      auto out = std::as_writable_bytes(std::span(buffer));
      ASSERT_TRUE(stream.Step(in, out));
      done += buffer.size() - out.size();
      if (!stream.in_data()) continue;
      GzipStream other;
      std::string state = stream.SaveState();
      if (resumed % 2 == 0) GzipStream::PackState(state);
      ASSERT_TRUE(other.RestoreState(state));
      std::string rest(std::min<size_t>(150'000, expected.size() - done), '\0');
      auto rest_in = in;
      auto rest_out = std::as_writable_bytes(std::span(rest));
      while (!rest_out.empty()) ASSERT_TRUE(other.Step(rest_in, rest_out));
      ASSERT_EQ(rest, expected.substr(done, rest.size())) << done;
      ++resumed;
    }
    EXPECT_EQ(done, expected.size());
    EXPECT_GE(resumed, 10);
  }
}

TEST(GzipStream, AStateOfAnotherSizeIsRefused) {
  GzipStream stream;
  EXPECT_FALSE(stream.RestoreState("x"));
}

}  // namespace
}  // namespace imgmount
