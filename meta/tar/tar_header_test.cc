// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/tar_header.h"

#include <gtest/gtest.h>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::TarBuilder;

TEST(TarHeader, PaxTimesGoTheRightWay) {
  const struct {
    const char* text;
    int64_t seconds;
    uint32_t nanoseconds;
  } kCases[] = {{"0", 0, 0},
                {"12.5", 12, 500'000'000},
                {"12.000000001999", 12, 1},
                {"12.", 12, 0},
                {"-1", -1, 0},
                {"-1.25", -2, 750'000'000},
                {"-0.25", -1, 750'000'000},
                {"-0.0", 0, 0},
                {"9223372036854775807.9", INT64_MAX, 900'000'000}};
  for (const auto& c : kCases) {
    auto time = ParsePaxTime(c.text);
    ASSERT_TRUE(time) << c.text;
    EXPECT_EQ(time->seconds, c.seconds) << c.text;
    EXPECT_EQ(time->nanoseconds, c.nanoseconds) << c.text;
  }
  for (const char* text : {"", ".5", "x", "1x", "1.x", "1.2.3", " 1", "+1",
                           "9223372036854775808", "-9223372036854775808.5"}) {
    EXPECT_FALSE(ParsePaxTime(text)) << text;
  }
}

TEST(TarHeader, TheLastPaxHeaderCounts) {
  const std::string tar =
      TarBuilder()
          .File("PaxHeader", testing::PaxRecord("path", "a"))
          .Type('x')
          .File("g", testing::PaxRecord("path", "global"))
          .Type('g')
          .File("PaxHeader", testing::PaxRecord("path", "b") +
                                 testing::PaxRecord("path", "c") +
                                 testing::PaxRecord("uid", ""))
          .Type('x')
          .File("file", "12345")
          .Build();
  auto header = ParseTarHeader(tar);
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(header->type, '0');
  EXPECT_EQ(header->size, 5u);
  EXPECT_EQ(header->end, 7 * 512u);
  EXPECT_EQ(header->Pax("path"), "c");
  EXPECT_EQ(header->Pax("uid"), std::nullopt);
  EXPECT_EQ(header->Pax("gid"), std::nullopt);
}

TEST(TarHeader, SizesComeInThreeForms) {
  const auto size = [](const TarBuilder& tar) {
    auto header = ParseTarHeader(tar.Build());
    return header ? std::optional(header->size) : std::nullopt;
  };
  EXPECT_EQ(size(TarBuilder().File("f", "").ClaimSize(077777777777)),
            077777777777u);
  EXPECT_EQ(size(TarBuilder().File("f", "").ClaimSize(uint64_t{1} << 40)),
            uint64_t{1} << 40);
  EXPECT_EQ(size(TarBuilder().File("f", "").Pax("size", "123456789012")),
            123456789012u);
  EXPECT_EQ(size(TarBuilder().File("f", "").ClaimSize(-1)), std::nullopt);
  EXPECT_EQ(size(TarBuilder().File("f", "").ClaimSize(uint64_t{1} << 63)),
            std::nullopt);
  EXPECT_EQ(size(TarBuilder().File("f", "").Pax("size", "-1")), std::nullopt);
  EXPECT_EQ(size(TarBuilder().File("f", "").Pax("size", "1e3")), std::nullopt);
}

TEST(TarHeader, MalformedPaxIsRefused) {
  for (const std::string& body :
       {std::string("5 a=\n6"), std::string("a=b\n"), std::string("99 a=b\n"),
        std::string("6 a=b "), std::string("5 =b\n"), std::string("4 a\n"),
        std::string("0 a=b\n"), std::string("18446744073709551617 a=b\n"),
        std::string("7 a\0=b\n", 7), testing::PaxRecord("path", {"a\0b", 3}),
        testing::PaxRecord("linkpath", {"\0", 1})}) {
    const std::string tar =
        TarBuilder().File("PaxHeader", body).Type('x').File("f", "").Build();
    EXPECT_FALSE(ParseTarHeader(tar)) << body;
  }
}

TEST(TarHeader, BinaryXattrsAreNotText) {
  const std::string tar =
      TarBuilder().File("f", "").Xattr("user.b", {"\0=\n\xff", 4}).Build();
  auto header = ParseTarHeader(tar);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->Pax("SCHILY.xattr.user.b"),
            std::string_view("\0=\n\xff", 4));
}

TEST(TarHeader, EndlessSpecialHeadersAreRefused) {
  TarBuilder tar;
  for (int i = 0; i < 40; ++i) tar.File("g", "").Type('g');
  EXPECT_FALSE(ParseTarHeader(tar.File("f", "").Build()));
}

TEST(TarHeader, AnyCutIsRefused) {
  const std::string tar = TarBuilder()
                              .File(std::string(200, 'n'), "")
                              .Gnu()
                              .Xattr("user.a", "b")
                              .Build(false);
  ASSERT_TRUE(ParseTarHeader(tar));
  for (size_t size = 0; size < tar.size(); ++size) {
    EXPECT_FALSE(ParseTarHeader(std::string_view(tar).substr(0, size)));
  }
}

}  // namespace
}  // namespace imgmount
