// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/content_range.h"

#include <charconv>

namespace imgmount {

std::optional<uint64_t> ParseDecimal(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return {};
  return value;
}

std::optional<ContentRange> ContentRange::Parse(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return {};
  text.remove_prefix(kUnit.size());
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos ||
      slash < dash) {
    return {};
  }
  const auto first = ParseDecimal(text.substr(0, dash));
  const auto last = ParseDecimal(text.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return {};
  ContentRange range{*first, *last, {}};
  const std::string_view total = text.substr(slash + 1);
  if (total == "*") return range;
  range.total = ParseDecimal(total);
  if (!range.total || *range.total <= *last) return {};
  return range;
}

}  // namespace imgmount
