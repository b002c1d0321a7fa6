// SPDX-License-Identifier: Apache-2.0
// Any bytes as a layer's end, and as the annotation that tells where its TOC
// is: a place inside of the layer, or an error.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "meta/toc/toc_location.h"

namespace {

void Check(const imgmount::TocLocation& where, uint64_t blob_size) {
  if (where.length == 0 || where.length > imgmount::kMaxTocBytes ||
      where.offset > blob_size || where.length > blob_size - where.offset ||
      where.data_end > where.offset) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kBlobSize = 1 << 16;
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const uint64_t blob_size : {uint64_t{size}, kBlobSize}) {
    const auto where = imgmount::ParseTocFooter(
        bytes.last(std::min(size, imgmount::kTocFooterBytes)),
        std::max<uint64_t>(blob_size, size));
    if (where) Check(*where, std::max<uint64_t>(blob_size, size));
  }
  static const auto digest = imgmount::DigestOf("layer");
  const auto claim = imgmount::FindToc(
      {.media_type = "",
       .digest = digest,
       .size = kBlobSize,
       .annotations = {
           {"io.containers.zstd-chunked.manifest-checksum", digest.text()},
           {"io.containers.zstd-chunked.manifest-position",
            std::string(reinterpret_cast<const char*>(data), size)}}});
  if (claim) Check((*claim)->location.value(), kBlobSize);
  return 0;
}
