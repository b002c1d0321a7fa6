// SPDX-License-Identifier: Apache-2.0
#include "meta/text/printable.h"

#include <gtest/gtest.h>

#include "meta/text/utf8.h"

namespace imgmount {
namespace {

TEST(Printable, LeavesTextAlone) {
  for (const char* text : {"", "/etc/motd", "/a b/é/漢字/😀", "'\"$`"}) {
    EXPECT_EQ(Printable(text), text);
    EXPECT_TRUE(IsUtf8(text));
  }
}

TEST(Printable, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(Printable("a\nb\tc\\d"), "a\\nb\\tc\\\\d");
  EXPECT_EQ(Printable("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b") << "CSI as U+009B";
  EXPECT_EQ(Printable(std::string_view("\0", 1)), "\\x00");
}

TEST(Printable, EscapesBytesThatAreNoText) {
  EXPECT_EQ(Printable("a\xff"), "a\\xff");
  EXPECT_EQ(Printable("\xc3"), "\\xc3") << "cut short";
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  for (const char* bytes : {"\xff", "\xc3", "\xc0\xaf", "\xe0\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(bytes));
  }
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(Printable("abcdef", 3), "abc…");
  EXPECT_EQ(Printable("abc", 3), "abc");
  EXPECT_EQ(Printable("abé", 3), "ab…");
  EXPECT_EQ(Printable("a\x1b", 4), "a…");
}

TEST(PrintableLines, KeepsLinesAndTabs) {
  EXPECT_EQ(PrintableLines("a\tb\nc\\d"), "a\tb\nc\\d");
  EXPECT_EQ(PrintableLines("\x1b[2J\r\x7f"), "\\x1b[2J\\x0d\\x7f");
  EXPECT_EQ(PrintableLines("\u009b1m\xff"), "\\xc2\\x9b1m\\xff");
  EXPECT_EQ(PrintableLines("é日"), "é日");
}

TEST(Quoted, MakesAnyTextOneLineOfAscii) {
  EXPECT_EQ(Quoted("a b"), "\"a b\"");
  EXPECT_EQ(Quoted("\x1b[2J\n\\é"), R"("\x1b[2J\x0a\x5c\xc3\xa9")");
  EXPECT_EQ(Quoted(std::string(200, 'x')), '"' + std::string(200, 'x') + '"');
  EXPECT_EQ(Quoted(std::string(500, 'x')),
            '"' + std::string(200, 'x') + "...\"");
}

TEST(EscapeBytes, MakesAnyTextOneWord) {
  EXPECT_EQ(EscapeBytes("a b\n\\é~"), R"(a\x20b\x0a\x5c\xc3\xa9~)");
}

}  // namespace
}  // namespace imgmount
