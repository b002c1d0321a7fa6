#include "meta/store/starts_file.h"

#include <gtest/gtest.h>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

const std::vector<ProgramStart> kStarts = {
    {{.offset = 2 << 20, .ino = 3, .length = 100},
     {.offset = uint64_t{9} << 40, .ino = 0, .length = kMaxStartPartBytes}},
    {{.offset = 0, .ino = ~0U, .length = 1}}};

TEST(StartsFile, KeepsThemAsTheyAre) {
  EXPECT_EQ(*ParseStarts(Bytes(FormatStarts(kStarts, "a")), "a"), kStarts);
  EXPECT_EQ(ParseStarts(Bytes(FormatStarts({}, "a")), "a")->size(), 0u);
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "starts";
  ASSERT_TRUE(WriteStarts(path, kStarts, "a"));
  EXPECT_EQ(*ReadStarts(path, "a"), kStarts);
}

TEST(StartsFile, OfAnotherImageIsDamage) {
  const std::string bytes = FormatStarts(kStarts, "a");
  EXPECT_EQ(ParseStarts(Bytes(bytes), "b").error().code(), ErrorCode::kCorrupt);
}

TEST(StartsFile, EveryFlippedOrMissingByteIsDamage) {
  const std::string good = FormatStarts(kStarts, "a");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] ^= 1;
    EXPECT_FALSE(ParseStarts(Bytes(bytes), "a")) << i;
    EXPECT_FALSE(ParseStarts(Bytes(good.substr(0, i)), "a")) << i;
  }
  EXPECT_FALSE(ParseStarts(Bytes(good + '\0'), "a"));
}

TEST(StartsFile, HasLimitsThoughItsChecksumIsRight) {
  const ProgramStart long_one(kMaxStartParts, kStarts[0][0]);
  const std::vector<ProgramStart> most(kMaxStarts, long_one);
  const testing::TemporaryFolder folder;
  ASSERT_TRUE(WriteStarts(folder.path() / "most", most, "a"));
  EXPECT_EQ(*ReadStarts(folder.path() / "most", "a"), most);

  const auto refused = [](const std::vector<ProgramStart>& starts) {
    return !ParseStarts(Bytes(FormatStarts(starts, "a")), "a");
  };
  EXPECT_TRUE(refused(std::vector(kMaxStarts + 1, kStarts[0])));
  EXPECT_TRUE(refused({ProgramStart(kMaxStartParts + 1, kStarts[0][0])}));
  EXPECT_TRUE(refused({ProgramStart()}));
  EXPECT_TRUE(refused({{{.offset = 0, .ino = 0, .length = 0}}}));
  EXPECT_TRUE(
      refused({{{.offset = 0, .ino = 0, .length = kMaxStartPartBytes + 1}}}));
}

}  // namespace
}  // namespace imgmount
