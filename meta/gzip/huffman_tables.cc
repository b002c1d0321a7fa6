// SPDX-License-Identifier: Apache-2.0
#include "meta/gzip/huffman_tables.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

namespace imgmount {
namespace {

// RFC 1951, 3.2.5 to 3.2.7.
constexpr size_t kLitLenCodes = 286;
constexpr size_t kDistCodes = 30;
constexpr size_t kLengthCodes = 19;  // that a header writes the lengths in
constexpr size_t kEndOfBlock = 256;
constexpr size_t kFirstLength = 257;    // the code of length 3
constexpr size_t kLongestLength = 285;  // of 258, which 284 can say too
constexpr std::array<uint8_t, kLitLenCodes - kFirstLength> kExtraBits = {
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
    2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};

// ISA-L knows a length with its extra bits as one symbol, so there is one for
// each length, and its code may have 15 bits and 5 extra ones, or 21.
constexpr size_t kSymbols = 513;
constexpr int kMaxLitLenBits = 21;
constexpr int kMaxDistBits = 15;

// How many of the codes of all lengths begin with a symbol's: a code of n bits
// weighs 2^(max - n).
template <size_t kCount>
using Weights = std::array<uint32_t, kCount>;

// An entry of a short table: one symbol (the first one, where it is
// of several), or where in the long table those that begin like this are.
struct Entry {
  bool is_long;
  uint32_t symbol;  // or the place in the long table
  uint32_t bits;    // 0: no code begins like this; of the longest, if is_long
};

struct LitLen {
  static constexpr int kShortBits = ISAL_DECODE_LONG_BITS;
  static constexpr int kMaxBits = kMaxLitLenBits;
  static Entry Short(uint32_t e) {
    if ((e >> 25 & 1) != 0) return {true, e & 0x1ffffff, e >> 26};
    const bool several = (e >> 26 & 3) > 1;
    return {false, several ? e & 0xff : e & 0x1ffffff, e >> 28};
  }
  static Entry Long(uint32_t e) { return {false, e & 0x3ff, e >> 10}; }
};

struct Dist {
  static constexpr int kShortBits = ISAL_DECODE_SHORT_BITS;
  static constexpr int kMaxBits = kMaxDistBits;
  static Entry Short(uint32_t e) {
    if ((e >> 10 & 1) != 0) return {true, e & 0x1ff, e >> 11};
    return {false, e & 0x1f, e >> 11};
  }
  static Entry Long(uint32_t e) { return {false, e & 0x1f, e >> 10}; }
};

template <typename Layout, size_t kCount, typename Tables>
std::optional<Weights<kCount>> Weigh(const Tables& tables) {
  Weights<kCount> weights = {};
  const auto add = [&](const Entry& entry, int bits_looked_at) {
    if (entry.bits == 0) return true;
    if (entry.symbol >= kCount) return false;
    weights[entry.symbol] += 1U << (Layout::kMaxBits - bits_looked_at);
    return true;
  };
  for (const uint32_t e : tables.short_code_lookup) {
    const Entry entry = Layout::Short(e);
    if (!entry.is_long) {
      if (!add(entry, Layout::kShortBits)) return {};
      continue;
    }
    const auto bits = static_cast<int>(entry.bits);
    if (bits <= Layout::kShortBits || bits > Layout::kMaxBits) return {};
    const size_t count = size_t{1} << (bits - Layout::kShortBits);
    const auto rest = std::span(tables.long_code_lookup);
    if (entry.symbol > rest.size() || count > rest.size() - entry.symbol) {
      return {};
    }
    for (const uint32_t f : rest.subspan(entry.symbol, count)) {
      if (!add(Layout::Long(f), bits)) return {};
    }
  }
  return weights;
}

// The length of a code, from its weight.
std::optional<uint8_t> Length(uint32_t weight, int max_bits) {
  if (weight == 0) return 0;
  const int bits = max_bits - (std::bit_width(weight) - 1);
  if (!std::has_single_bit(weight) || bits < 1 || bits > 15) return {};
  return static_cast<uint8_t>(bits);
}

using Lengths = std::array<uint8_t, kLitLenCodes + kDistCodes>;

std::optional<Lengths> LengthsOf(const inflate_state& state) {
  auto litlen = Weigh<LitLen, kSymbols>(state.lit_huff_code);
  const auto dist = Weigh<Dist, kDistCodes>(state.dist_huff_code);
  if (!litlen || !dist) return {};
  Lengths lengths = {};
  const auto set = [&](size_t code, uint32_t weight, int max_bits) {
    const auto length = Length(weight, max_bits);
    if (length) lengths[code] = *length;
    return length.has_value();
  };
  size_t symbol = 0;
  for (size_t code = 0; code < kLongestLength; ++code) {
    const int extra = code < kFirstLength ? 0 : kExtraBits[code - kFirstLength];
    // All its symbols are as long: its own bits, and the extra ones.
    const uint32_t weight = (*litlen)[symbol];
    if (!set(code, weight, kMaxLitLenBits - extra)) return {};
    symbol += size_t{1} << extra;
    // The last one's is the same length as 285.
    if (symbol == kSymbols) (*litlen)[kSymbols - 1] -= weight;
  }
  if (!set(kLongestLength, (*litlen)[kSymbols - 1], kMaxLitLenBits)) return {};
  for (size_t code = 0; code < kDistCodes; ++code) {
    if (!set(kLitLenCodes + code, (*dist)[code], kMaxDistBits)) return {};
  }
  if (lengths[kEndOfBlock] == 0) return {};
  return lengths;
}

// A block's header (RFC 1951, 3.2.7) in which each length is a code of four
// bits.
class Header {
 public:
  explicit Header(const Lengths& lengths) {
    Put(0, 1);                   // not the last block
    Put(2, 2);                   // with codes of its own
    Put(kLitLenCodes - 257, 5);  // all
    Put(kDistCodes - 1, 5);
    Put(kLengthCodes - 4, 4);
    // Repeat codes 16 to 18 come first, and are not used.
    for (size_t i = 0; i < kLengthCodes; ++i) Put(i < 3 ? 0 : 4, 3);
    for (const uint8_t length : lengths) {
      // Codes go from their most significant bit on.
      for (int bit = 3; bit >= 0; --bit) Put(length >> bit & 1, 1);
    }
  }
  std::array<uint8_t, 192>& bytes() { return bytes_; }

 private:
  void Put(uint32_t value, size_t bits) {
    for (size_t i = 0; i < bits; ++i, ++at_) {
      bytes_[at_ / 8] |= static_cast<uint8_t>((value >> i & 1) << (at_ % 8));
    }
  }

  std::array<uint8_t, 192> bytes_ = {};
  size_t at_ = 0;
};

// The tables that ISA-L makes from the lengths, until this thread asks again.
const inflate_state& MakeTables(const Lengths& lengths) {
  thread_local const auto state = std::make_unique<inflate_state>();
  Header header(lengths);
  std::array<uint8_t, 16> nowhere;
  // Entries that a table does not use stay as they were: they are to be zero.
  std::memset(&state->lit_huff_code, 0, sizeof state->lit_huff_code);
  std::memset(&state->dist_huff_code, 0, sizeof state->dist_huff_code);
  isal_inflate_init(state.get());
  state->next_in = header.bytes().data();
  state->avail_in = static_cast<uint32_t>(header.bytes().size());
  state->next_out = nowhere.data();
  state->avail_out = nowhere.size();
  // Then come codes that say nothing; how that ends does not matter.
  (void)isal_inflate_stateless(state.get());
  return *state;  // NOLINT(clang-analyzer-*): 14 knows no thread_local
}

// Whether the second tables are the first, where they are in use.
template <typename Tables>
bool Same(const Tables& tables, const Tables& made) {
  return std::ranges::equal(tables.short_code_lookup, made.short_code_lookup) &&
         std::ranges::equal(tables.long_code_lookup, made.long_code_lookup,
                            [](auto a, auto b) { return b == 0 || a == b; });
}

// A saved state's avail_in means nothing: it is the caller's to set.
constexpr uint32_t kPacked = 1;

}  // namespace

void PackTables(inflate_state& state) {
  Lengths lengths = {};
  const bool used = state.block_state == ISAL_BLOCK_CODED;
  if (used) {
    const auto found = LengthsOf(state);
    if (!found) return;
    lengths = *found;
    const inflate_state& made = MakeTables(lengths);
    if (!Same(state.lit_huff_code, made.lit_huff_code) ||
        !Same(state.dist_huff_code, made.dist_huff_code)) {
      return;
    }
  }
  std::memset(&state.lit_huff_code, 0, sizeof state.lit_huff_code);
  std::memset(&state.dist_huff_code, 0, sizeof state.dist_huff_code);
  if (!used) return;
  std::memcpy(&state.lit_huff_code, lengths.data(), lengths.size());
  state.avail_in = kPacked;
}

void UnpackTables(inflate_state& state) {
  if (state.avail_in != kPacked) return;
  Lengths lengths;
  std::memcpy(lengths.data(), &state.lit_huff_code, lengths.size());
  const inflate_state& made = MakeTables(lengths);
  state.lit_huff_code = made.lit_huff_code;
  state.dist_huff_code = made.dist_huff_code;
  state.avail_in = 0;
}

}  // namespace imgmount
