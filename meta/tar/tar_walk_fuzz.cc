// SPDX-License-Identifier: Apache-2.0
// Any bytes as a tar, in pieces of any size: an index that is in order, or an
// error.
#include <algorithm>
#include <cstdlib>

#include "meta/tar/tar_walk.h"

using imgmount::LayerIndex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const size_t step = size_t{data[0]} * 16 + 1;
  auto tar = std::as_bytes(std::span(data, size)).subspan(1);
  const imgmount::NextPiece next = [&] {
    const auto piece = tar.first(std::min(step, tar.size()));
    tar = tar.subspan(piece.size());
    return piece;
  };
  const auto index = imgmount::WalkTar(next, [] { return uint64_t{1} << 26; });
  if (!index) return 0;
  const std::string file = index->Serialize();
  const auto parsed = LayerIndex::Parse(std::as_bytes(std::span(file)));
  if (!parsed || parsed->Dump() != index->Dump()) std::abort();
  for (size_t i = 0; i < index->size(); ++i) {
    for (const auto& extent : index->entry(i).extents) {
      if (extent.physical + extent.length > size) std::abort();
    }
  }
  return 0;
}
