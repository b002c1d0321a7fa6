// SPDX-License-Identifier: Apache-2.0
#include "meta/gzip/huffman_tables.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "meta/gzip/gzip_stream.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using State = std::unique_ptr<inflate_state>;

// The states after each `step` bytes of what `gzip` holds.
std::vector<State> StatesOf(const std::string& gzip, size_t step) {
  std::vector<State> states;
  GzipStream stream;
  auto in = std::as_bytes(std::span(gzip));
  std::string buffer(step, '\0');
  while (true) {
    auto out = std::as_writable_bytes(std::span(buffer));
    while (!out.empty() && !in.empty()) EXPECT_TRUE(stream.Step(in, out));
    if (!out.empty()) return states;
    if (!stream.in_data()) continue;
    const std::string saved = stream.SaveState();
    states.push_back(std::make_unique<inflate_state>());
    std::memcpy(states.back().get(), saved.data(), saved.size());
  }
}

bool IsPacked(const inflate_state& state) {
  const auto* const bytes = reinterpret_cast<const char*>(&state.lit_huff_code);
  const std::string tables(bytes, sizeof state.lit_huff_code);
  return tables.find_first_not_of('\0', 316) == std::string::npos;
}

// Letters of which each is half as frequent as the one before: the rare ones'
// codes are as long as codes may be.
std::string SkewedBytes(size_t size) {
  std::string bytes(size, '\0');
  uint32_t random = 1;
  for (char& c : bytes) {
    random = random * 1664525 + 1013904223;
    c = static_cast<char>('a' + std::countl_zero(random | 1));
  }
  return bytes;
}

TEST(HuffmanTables, ComeBackFromTheirLengths) {
  const std::string text = testing::TextLikeBytes(600'000, 1);
  const std::string skewed = SkewedBytes(600'000);
  int long_codes = 0;
  for (const std::string& bytes : {text, skewed, text + skewed + text}) {
    for (const int level : {1, 6, 9}) {
      const auto states = StatesOf(testing::Gzip(bytes, level), 10'000);
      size_t packed = 0;
      for (const State& state : states) {
        const auto copy = std::make_unique<inflate_state>(*state);
        PackTables(*copy);
        if (!IsPacked(*copy)) continue;
        ++packed;
        UnpackTables(*copy);
        EXPECT_EQ(copy->avail_in, 0u);
        if (state->block_state != ISAL_BLOCK_CODED) continue;
        EXPECT_EQ(std::memcmp(copy->lit_huff_code.short_code_lookup,
                              state->lit_huff_code.short_code_lookup,
                              sizeof state->lit_huff_code.short_code_lookup),
                  0);
        EXPECT_EQ(std::memcmp(copy->dist_huff_code.short_code_lookup,
                              state->dist_huff_code.short_code_lookup,
                              sizeof state->dist_huff_code.short_code_lookup),
                  0);
        if (copy->lit_huff_code.long_code_lookup[0] != 0) ++long_codes;
      }
      // A last block that is nearly used up has other tables.
      EXPECT_GE(packed + 2, states.size());
      EXPECT_GE(states.size(), 50u);
    }
  }
  EXPECT_GT(long_codes, 100);
}

TEST(HuffmanTables, StayWhereTheyAreNotWhatTheLengthsGive) {
  auto states =
      StatesOf(testing::Gzip(testing::TextLikeBytes(100'000, 1)), 30'000);
  ASSERT_FALSE(states.empty());
  inflate_state& state = *states.front();
  ASSERT_EQ(state.block_state, ISAL_BLOCK_CODED);
  const auto leaves = [](inflate_state& it) {
    const auto before = std::make_unique<inflate_state>(it);
    PackTables(it);
    return std::memcmp(&it, before.get(), sizeof it) == 0;
  };
  for (uint32_t& entry : state.lit_huff_code.short_code_lookup) {
    if (&entry - state.lit_huff_code.short_code_lookup >= 50) break;
    for (const uint32_t wrong : {0u, ~0u, entry ^ 1, entry ^ 1u << 28}) {
      const uint32_t right = std::exchange(entry, wrong);
      EXPECT_TRUE(wrong == right || leaves(state)) << wrong;
      entry = right;
    }
  }
  for (uint16_t& entry : state.dist_huff_code.short_code_lookup) {
    const uint16_t right = std::exchange(entry, uint16_t{0xffff});
    EXPECT_TRUE(leaves(state));
    entry = right;
  }
  PackTables(state);
  EXPECT_TRUE(IsPacked(state));
}

}  // namespace
}  // namespace imgmount
