// SPDX-License-Identifier: Apache-2.0
// Any bytes as a chunk table with a right checksum, over any bytes as a blob:
// chunks that are in order, and no byte that its digest does not vouch for.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "meta/base/file.h"
#include "meta/toc/chunk_table.h"
#include "tests/support/bytes_blob.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace imgmount;
  if (size < 1) return 0;
  const bool is_gzip = (data[0] & 1) != 0;
  std::vector<TocChunk> chunks(
      std::min<size_t>((size - 1) / sizeof(TocChunk), data[0] >> 1));
  if (!chunks.empty()) {
    std::memcpy(chunks.data(), data + 1, chunks.size() * sizeof(TocChunk));
  }
  static const std::string path =
      "/tmp/chunk_table_fuzz." + std::to_string(::getpid());
  if (!WriteChunkTable(path, chunks,
                       is_gzip ? TocEncoding::kGzip : TocEncoding::kZstd, "")) {
    std::abort();
  }
  const auto table = OpenChunkTable(path, "");
  ::unlink(path.c_str());
  if (!table) return 0;
  imgmount::testing::BytesBlob blob(std::as_bytes(std::span(data, size)));
  uint64_t offset = 0;
  for (size_t i = 0; i < (*table)->span_count(); ++i) {
    const Span span = (*table)->span(i);
    if (span.offset != offset || (*table)->Find(offset) != i) std::abort();
    offset += span.length;
    std::vector<std::byte> out(span.length);
    const auto decoder = SpanDecoder::Start(**table, i, blob, nullptr, out);
    if (!decoder) continue;
    const auto status = (*decoder)->DecodeTo(1);
    const uint64_t ready = (*decoder)->ready();
    if (ready != (status ? span.length : 0)) std::abort();
    if (status && Sha256(out) != (*table)->digest(i)) std::abort();
  }
  if (offset != (*table)->size()) std::abort();
  return 0;
}
