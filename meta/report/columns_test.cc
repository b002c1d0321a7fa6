// SPDX-License-Identifier: Apache-2.0
#include "meta/report/columns.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

TEST(DisplayWidth, CountsTerminalCells) {
  EXPECT_EQ(DisplayWidth(""), 0u);
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("é"), 1u);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1u);
  EXPECT_EQ(DisplayWidth("日本"), 4u);
  EXPECT_EQ(DisplayWidth("😀"), 2u);
}

TEST(DisplayWidth, TakesBytesThatAreNoTextForOneCell) {
  EXPECT_EQ(DisplayWidth("\xff\xfe"), 2u);
  EXPECT_EQ(DisplayWidth("\xe6\x97"), 2u);
  EXPECT_EQ(DisplayWidth("\xe6z"), 2u);
}

TEST(Ellipsis, CutsOnlyWhatIsTooWide) {
  EXPECT_EQ(Ellipsis("abcde", 5), "abcde");
  EXPECT_EQ(Ellipsis("abcdef", 5), "abcd…");
  EXPECT_EQ(Ellipsis("日本語", 6), "日本語");
  // A wide character that only half fits is left out.
  EXPECT_EQ(Ellipsis("日本語", 5), "日本…");
  EXPECT_EQ(Ellipsis("日本語", 4), "日…");
}

TEST(AlignColumns, MakesColumnsTenWideAndThreeApart) {
  EXPECT_EQ(AlignColumns("ID\tSIZE\nabcdefghijkl\t1"),
            "ID             SIZE\n"
            "abcdefghijkl   1");
  EXPECT_EQ(AlignColumns("a\tb\tc"), "a         b         c");
}

TEST(AlignColumns, CountsCells) {
  EXPECT_EQ(AlignColumns("日本語日本語\tx\na\ty"),
            "日本語日本語   x\n"
            "a              y");
}

TEST(AlignColumns, EndsAColumnWhereALineDoesNotHaveIt) {
  EXPECT_EQ(AlignColumns("abcdefghijklmno\t1\t2\nnone\nx\t1\t2\n"),
            "abcdefghijklmno   1         2\n"
            "none\n"
            "x         1         2\n");
}

TEST(AlignColumns, KeepsSpacesAfterTheLastColumnsOfEmptyCells) {
  EXPECT_EQ(AlignColumns("a\t\tb\t\nc\td\t\t"),
            "a                   b         \n"
            "c         d                   ");
}

}  // namespace
}  // namespace imgmount
