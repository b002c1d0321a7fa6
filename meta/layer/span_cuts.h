// SPDX-License-Identifier: Apache-2.0
// Cutting spans where only a part of them is read.
//
// A read within a span costs decoding all that is before it in the span, and
// the room for what is after it. Once it is known what a program reads, spans
// can begin and end right there: that takes one more saved state (some 2.5 KB)
// for each place.
#ifndef IMGMOUNT_META_LAYER_SPAN_CUTS_H_
#define IMGMOUNT_META_LAYER_SPAN_CUTS_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "meta/base/result.h"
#include "meta/layer/blob_source.h"
#include "meta/layer/span_table.h"

namespace imgmount {

// Bytes [offset, offset + length) of a layer's uncompressed tar.
struct TarRun {
  uint64_t offset = 0;
  uint64_t length = 0;
};

// Where spans should be cut so that whoever reads `runs`, which may overlap and
// come in any order, decodes little else; ascending, each in the midst of a
// span and a whole number of blocks from its beginning. Only gzip can be cut.
// However often a table is cut, it has at most half as many spans again as one
// of kSpanBytes each, and 64.
std::vector<uint64_t> WhereToCut(const SpanTable& table,
                                 std::span<const TarRun> runs);

// Writes the table with these cuts to `path`, in place of what is there. A
// place where the decoder cannot stop is left out. The blob's bytes are checked
// against the table. `cuts` are as WhereToCut() gives them.
Status CutSpans(const SpanTable& table, BlobSource& blob,
                std::span<const uint64_t> cuts,
                const std::filesystem::path& path);

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_SPAN_CUTS_H_
