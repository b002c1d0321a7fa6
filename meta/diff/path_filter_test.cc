// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/path_filter.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

TEST(PathFilter, MatchesNamesWherePatternsHaveNoSlash) {
  const PathFilter filter({"*.pyc", "__pycache__/", "x[12]"});
  EXPECT_TRUE(filter.ExcludesName("a.pyc"));
  EXPECT_TRUE(filter.ExcludesName(".pyc"));
  EXPECT_TRUE(filter.ExcludesName("x2"));
  EXPECT_FALSE(filter.ExcludesName("x3"));
  EXPECT_FALSE(filter.ExcludesName("a.py"));
  EXPECT_FALSE(filter.wants_paths());
}

TEST(PathFilter, MatchesPathsWherePatternsHaveASlash) {
  const PathFilter filter({"usr/share/*", "/var/cache/", "/*/log"});
  EXPECT_TRUE(filter.wants_paths());
  EXPECT_TRUE(filter.ExcludesPath("/usr/share/doc"));
  EXPECT_TRUE(filter.ExcludesPath("/usr/share/doc/x")) << "* matches / too";
  EXPECT_TRUE(filter.ExcludesPath("/var/cache"));
  EXPECT_TRUE(filter.ExcludesPath("/a/b/log"));
  EXPECT_FALSE(filter.ExcludesPath("/usr/share"));
  EXPECT_FALSE(filter.ExcludesPath("/x/usr/share/y"));
  EXPECT_FALSE(filter.ExcludesName("cache"));
}

TEST(PathFilter, OfNothingExcludesNothing) {
  const PathFilter filter;
  EXPECT_TRUE(filter.empty());
  EXPECT_FALSE(filter.ExcludesName("x"));
  EXPECT_FALSE(PathFilter({"/"}).empty());
  EXPECT_FALSE(PathFilter({"/"}).ExcludesPath("/etc"));
}

}  // namespace
}  // namespace imgmount
