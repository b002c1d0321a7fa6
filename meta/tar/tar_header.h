// SPDX-License-Identifier: Apache-2.0
// The raw header of one tar entry: what libarchive cannot tell exactly.
//
// libarchive walks the tar and decides where entries lie; from the same bytes
// this reads what it drops or bends: PAX values with NULs, negative fractional
// times, the typeflag itself. Where readers disagree, Go's archive/tar (what
// Docker and containerd use) decides.
#ifndef IMGMOUNT_META_TAR_TAR_HEADER_H_
#define IMGMOUNT_META_TAR_TAR_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "meta/base/result.h"
#include "meta/tar/layer_entry.h"

namespace imgmount {

// Views into the header's bytes.
struct TarHeader {
  char type = 0;      // the typeflag
  uint64_t size = 0;  // bytes that follow the header, PAX size obeyed
  size_t end = 0;     // of the entry's own header block
  std::optional<std::string_view> long_name;  // GNU 'L'
  std::optional<std::string_view> long_link;  // GNU 'K'
  // The last 'x' header's records as they are; global ones ('g') are skipped as
  // Docker does.
  std::vector<std::pair<std::string_view, std::string_view>> pax;

  // The last value of a PAX key; an empty one counts as none, as in Go.
  std::optional<std::string_view> Pax(std::string_view key) const;
  bool HasPaxPrefix(std::string_view prefix) const;
};

// Parses all header blocks of one entry, from the first on. What follows the
// entry's own block is left alone.
Result<TarHeader> ParseTarHeader(std::string_view bytes);

// Whether `bytes`, the rest of a tar, are PAX headers and GNU long names, well
// formed, and then the tar's end in place of an entry: two blocks of zeros, or
// one and no more bytes. Go's archive/tar and GNU tar take that for the end.
// (Go takes no more bytes at all for it, too; here that tar is cut short.)
bool EndsAfterSpecialHeaders(std::string_view bytes);

// "-1.25" and the like, as PAX writes times; digits beyond nanoseconds are cut.
Result<Timestamp> ParsePaxTime(std::string_view text);

// A whole decimal number, or kCorrupt.
Result<int64_t> ParsePaxNumber(std::string_view text);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TAR_TAR_HEADER_H_
