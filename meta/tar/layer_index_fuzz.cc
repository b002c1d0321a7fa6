// SPDX-License-Identifier: Apache-2.0
// Any bytes as the body of a layer index with right checksums: what is
// accepted is in order.
#include <zstd.h>

#include <cstdlib>

#include "meta/base/xxh3.h"
#include "meta/tar/layer_index.h"

using imgmount::LayerIndex;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string header = LayerIndex().Serialize().substr(0, 16);
  std::string frame(ZSTD_compressBound(size), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), data, size, 1));
  const uint64_t checksum = XXH3_64bits(frame.data(), frame.size());
  std::string file = header;
  file.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  file += frame;
  const auto index = LayerIndex::Parse(std::as_bytes(std::span(file)));
  if (!index) return 0;
  const std::string again = index->Serialize();
  const auto parsed = LayerIndex::Parse(std::as_bytes(std::span(again)));
  if (!parsed || parsed->Dump() != index->Dump()) std::abort();
  return 0;
}
