// SPDX-License-Identifier: Apache-2.0
// Any bytes as a TOC's JSON, in pieces of any size: an index that is in order
// and chunks that lie where they may, or an error.
#include <algorithm>
#include <cstdlib>

#include "meta/toc/toc_indexer.h"
#include "meta/toc/toc_json.h"

using imgmount::LayerIndex;
using imgmount::TocChunk;

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kDataEnd = 1 << 20;
  if (size < 1) return 0;
  const size_t step = size_t{data[0]} * 16 + 1;
  auto json = std::as_bytes(std::span(data, size)).subspan(1);
  const imgmount::NextPiece next = [&] {
    const auto piece = json.first(std::min(step, json.size()));
    json = json.subspan(piece.size());
    return piece;
  };
  imgmount::TocIndexer indexer(kDataEnd, 1 << 26);
  const auto parsed = imgmount::ParseTocJson(
      next,
      [&](const imgmount::TocEntry& entry) { return indexer.Add(entry); });
  if (!parsed) return 0;
  const auto toc = indexer.Finish();
  if (!toc) return 0;
  uint64_t end = 0;
  for (const TocChunk& chunk : toc->chunks) {
    Require(chunk.offset == end && chunk.length > 0 &&
            chunk.length <= imgmount::kMaxSpanBytes &&
            chunk.skip <= imgmount::kMaxSpanSkip && chunk.in_length > 0 &&
            chunk.in_offset < kDataEnd &&
            chunk.in_length <= kDataEnd - chunk.in_offset);
    end += chunk.length;
  }
  Require(toc->prefetch_end < kDataEnd);
  for (size_t i = 0; i < toc->index.size(); ++i) {
    for (const auto& extent : toc->index.entry(i).extents) {
      Require(extent.physical + extent.length <= end);
    }
  }
  const std::string file = toc->index.Serialize();
  const auto again = LayerIndex::Parse(std::as_bytes(std::span(file)));
  Require(again && again->Dump() == toc->index.Dump());
  return 0;
}
