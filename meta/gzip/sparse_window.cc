// SPDX-License-Identifier: Apache-2.0
#include "meta/gzip/sparse_window.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "meta/gzip/gzip_stream.h"

namespace imgmount {
namespace {

// Decodes `in` from `state` on; nothing unless that gives `size` bytes.
std::optional<std::vector<std::byte>> DecodeAfter(const std::string& state,
                                                  std::span<const std::byte> in,
                                                  size_t size) {
  GzipStream stream;
  if (!stream.RestoreState(state)) return {};
  std::vector<std::byte> decoded(size);
  std::span<std::byte> rest = decoded;
  while (!rest.empty()) {
    const size_t before = rest.size();
    // At a member's end the checksum is of other bytes, and does not match.
    if (!stream.Step(in, rest) && !rest.empty()) return {};
    if (rest.size() == before) return {};
  }
  return decoded;
}

}  // namespace

void DropUnusedWindow(std::string& state, std::span<const std::byte> in,
                      std::span<const std::byte> out) {
  const std::span<char> window = GzipStream::WindowOf(state);
  if (window.size() > kWindowBytes) return;
  const std::string original(window.begin(), window.end());
  const auto keep_all = [&] {
    std::copy(original.begin(), original.end(), window.begin());
  };

  // Each byte of the window says where it lies, in two halves.
  for (size_t i = 0; i < window.size(); ++i) {
    window[i] = static_cast<char>(i & 0xff);
  }
  const auto low = DecodeAfter(state, in, out.size());
  for (size_t i = 0; i < window.size(); ++i) {
    window[i] = static_cast<char>(i >> 8);
  }
  const auto high = DecodeAfter(state, in, out.size());
  if (!low || !high) return keep_all();

  // A byte that is no copy is the same over any window, and names, at worst,
  // one of the 128 places whose halves are alike.
  std::array<char, 1 << 16> used = {};  // 0 or -1
  for (size_t i = 0; i < out.size(); ++i) {
    used[std::to_integer<size_t>((*high)[i]) << 8 |
         std::to_integer<size_t>((*low)[i])] = -1;
  }
  for (size_t i = 0; i < window.size(); ++i) {
    window[i] = static_cast<char>(original[i] & used[i]);
  }
}

}  // namespace imgmount
