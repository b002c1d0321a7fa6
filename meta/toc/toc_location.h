// SPDX-License-Identifier: Apache-2.0
// Where a layer's table of contents (TOC) lies, and what vouches for it.
//
// A layer's descriptor in the manifest has annotations that name the TOC's
// digest, and for zstd:chunked its place. eStargz has its place in the blob's
// last bytes, the footer, as zstd:chunked has as well. docs/lazy-formats.md
// tells the formats and where each rule comes from.
#ifndef IMGMOUNT_META_TOC_TOC_LOCATION_H_
#define IMGMOUNT_META_TOC_TOC_LOCATION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/image/manifest.h"

namespace imgmount {

inline constexpr uint64_t kMaxTocBytes = 150 << 20;  // as containers/storage
inline constexpr size_t kTocFooterBytes = 72;        // the longest there is

enum class TocEncoding : uint8_t {
  kGzip,  // eStargz: a gzip member that is a tar of one file
  kZstd,  // zstd:chunked: JSON in a zstd frame
};

// A descriptor's promises about a TOC; at least one digest is there.
struct TocDigests {
  std::optional<Digest> json;        // of the JSON
  std::optional<Digest> compressed;  // of the zstd frames that hold it
};

struct TocLocation {
  TocEncoding encoding = TocEncoding::kGzip;
  uint64_t offset = 0;  // in the blob
  uint64_t length = 0;  // compressed, 1 … kMaxTocBytes
  // All chunks' compressed bytes lie before it.
  uint64_t data_end = 0;
  std::optional<uint64_t> json_size = {};
};

struct TocClaim {
  TocDigests digests;
  std::optional<TocLocation> location = {};  // where the annotations tell it
};

// Names all that is made of a layer by a TOC that these digests vouch for.
Digest TocIdentity(const Digest& layer, const TocDigests& digests);

// No value where the descriptor knows of no TOC. An error, as from all below,
// means that the layer can only be pulled as a whole: kUnsupported, or kCorrupt
// where annotations or footer make no sense.
Result<std::optional<TocClaim>> FindToc(const Descriptor& layer);

// Where a footer says that the TOC is. `tail` is the end of a blob of
// `blob_size` bytes: the last kTocFooterBytes, or all of a smaller one.
Result<TocLocation> ParseTocFooter(std::span<const std::byte> tail,
                                   uint64_t blob_size);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TOC_TOC_LOCATION_H_
