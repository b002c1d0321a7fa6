// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace imgmount {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace imgmount
