// SPDX-License-Identifier: Apache-2.0
// The Content-Range header of an answer to a range request (RFC 9110, 14.4).
#ifndef IMGMOUNT_FETCH_HTTP_CONTENT_RANGE_H_
#define IMGMOUNT_FETCH_HTTP_CONTENT_RANGE_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace imgmount {

struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;              // inclusive
  std::optional<uint64_t> total;  // nullopt: "*"

  // "bytes 5-9/10"; nullopt for anything malformed or contradictory.
  static std::optional<ContentRange> Parse(std::string_view text);
  bool operator==(const ContentRange&) const = default;
};

// A whole decimal number without sign; nullopt otherwise.
std::optional<uint64_t> ParseDecimal(std::string_view text);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_CONTENT_RANGE_H_
