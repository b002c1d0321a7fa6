// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/entry_path.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

TEST(EntryPath, IsMadeRelativeToTheRoot) {
  const std::pair<const char*, const char*> kCases[] = {
      {"a", "a"},
      {"./a//b/", "a/b"},
      {"/a/b", "a/b"},
      {"///", ""},
      {".", ""},
      {"", ""},
      {"a/../b", "b"},
      {"a/b/../../c", "c"},
      {"/../a", "a"},
      {"a/..", ""},
      {"..a/b..", "..a/b.."},
      {"a/./.b", "a/.b"},
      {"a\nb/\xff", "a\nb/\xff"},
  };
  for (const auto& [raw, path] : kCases) {
    auto normal = NormalizeEntryPath(raw);
    ASSERT_TRUE(normal) << raw;
    EXPECT_EQ(*normal, path);
    EXPECT_TRUE(IsNormalizedEntryPath(*normal)) << raw;
  }
}

TEST(EntryPath, OutsideTheRootIsRefused) {
  for (const char* raw : {"..", "../a", "a/../../b", "./.."}) {
    auto normal = NormalizeEntryPath(raw);
    ASSERT_FALSE(normal) << raw;
    EXPECT_EQ(normal.error().code(), ErrorCode::kCorrupt);
  }
}

TEST(EntryPath, ANulIsRefused) {
  EXPECT_EQ(NormalizeEntryPath(std::string_view("a\0b", 3)).error().message(),
            "name with a NUL: \"a\\x00b\"");
}

TEST(EntryPath, WhatCannotBeShownIsRefused) {
  EXPECT_TRUE(NormalizeEntryPath(std::string(255, 'x')));
  EXPECT_EQ(NormalizeEntryPath(std::string(256, 'x')).error().code(),
            ErrorCode::kUnsupported);
  std::string deep;
  while (deep.size() < kMaxPathBytes - 1) deep += "d/";
  EXPECT_TRUE(NormalizeEntryPath(deep));
  EXPECT_EQ(NormalizeEntryPath(deep + "a/b").error().code(),
            ErrorCode::kUnsupported);
}

TEST(EntryPath, WhatIsNotNormalisedIsTold) {
  for (const char* path : {"/a", "a/", "a//b", ".", "a/./b", "..", "a/.."}) {
    EXPECT_FALSE(IsNormalizedEntryPath(path)) << path;
  }
  EXPECT_FALSE(IsNormalizedEntryPath(std::string(256, 'x')));
  EXPECT_FALSE(IsNormalizedEntryPath(std::string_view("a\0", 2)));
}

}  // namespace
}  // namespace imgmount
