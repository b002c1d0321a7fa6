// SPDX-License-Identifier: Apache-2.0
#include "meta/report/columns.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "meta/text/utf8.h"

namespace imgmount {
namespace {

constexpr size_t kMinWidth = 10;
constexpr size_t kPadding = 3;

struct Range {
  char32_t first;
  char32_t last;
};

// Unicode's East_Asian_Width W and F, coarsely: whole blocks.
constexpr std::array<Range, 17> kWide = {{{0x1100, 0x115f},
                                          {0x231a, 0x231b},
                                          {0x2e80, 0x303e},
                                          {0x3041, 0x33ff},
                                          {0x3400, 0x4dbf},
                                          {0x4e00, 0x9fff},
                                          {0xa000, 0xa4cf},
                                          {0xa960, 0xa97f},
                                          {0xac00, 0xd7a3},
                                          {0xf900, 0xfaff},
                                          {0xfe30, 0xfe6f},
                                          {0xff00, 0xff60},
                                          {0xffe0, 0xffe6},
                                          {0x17000, 0x18aff},
                                          {0x1b000, 0x1b2ff},
                                          {0x1f300, 0x1faff},
                                          {0x20000, 0x3fffd}}};
constexpr std::array<Range, 8> kZeroWidth = {{{0x0300, 0x036f},
                                              {0x1ab0, 0x1aff},
                                              {0x1dc0, 0x1dff},
                                              {0x200b, 0x200f},
                                              {0x2028, 0x2029},
                                              {0x20d0, 0x20ff},
                                              {0xfe00, 0xfe0f},
                                              {0xfe20, 0xfe2f}}};

template <typename Ranges>
bool IsIn(const Ranges& ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const Range& range) {
    return c >= range.first && c <= range.last;
  });
}

struct Character {
  size_t bytes = 1;
  size_t width = 1;
};

// The character at the front of non-empty text.
Character FirstCharacter(std::string_view text) {
  const Rune rune = FirstRune(text);
  if (!rune.valid) return {};
  if (IsIn(kZeroWidth, rune.code)) return {rune.bytes, 0};
  return {rune.bytes, IsIn(kWide, rune.code) ? size_t{2} : size_t{1}};
}

using Line = std::vector<std::string_view>;  // cells

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    const Character character = FirstCharacter(text);
    width += character.width;
    text.remove_prefix(character.bytes);
  }
  return width;
}

std::string Ellipsis(std::string_view text, size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  size_t bytes = 0;
  size_t used = 1;  // the ellipsis
  while (true) {
    const Character character = FirstCharacter(text.substr(bytes));
    used += character.width;
    if (used > width) return std::string(text.substr(0, bytes)) + "…";
    bytes += character.bytes;
  }
}

std::string AlignColumns(std::string_view text) {
  std::vector<Line> lines;
  for (const std::string_view line : Split(text, '\n')) {
    lines.push_back(Split(line, '\t'));
  }
  // widths[line][column]: the same for all lines of a column's block.
  std::vector<std::vector<size_t>> widths(lines.size());
  size_t columns = 0;
  for (const Line& line : lines) columns = std::max(columns, line.size() - 1);
  for (size_t column = 0; column < columns; ++column) {
    for (size_t begin = 0; begin < lines.size();) {
      size_t width = kMinWidth;
      size_t end = begin;
      while (end < lines.size() && lines[end].size() - 1 > column) {
        width = std::max(width, DisplayWidth(lines[end][column]) + kPadding);
        ++end;
      }
      for (size_t i = begin; i < end; ++i) widths[i].push_back(width);
      begin = std::max(end, begin + 1);
    }
  }

  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    for (size_t column = 0; column < lines[i].size(); ++column) {
      const std::string_view cell = lines[i][column];
      out += cell;
      if (column < widths[i].size()) {
        out.append(widths[i][column] - DisplayWidth(cell), ' ');
      }
    }
  }
  return out;
}

}  // namespace imgmount
