// SPDX-License-Identifier: Apache-2.0
// Any bytes as a span table with right checksums, over any bytes as a blob:
// spans that are in order, cuts that are within them, and no byte that its
// checksum does not vouch for.
// A resume state's SHA-256 is where this ends: ISA-L trusts what is behind it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "meta/base/xxh3.h"
#include "meta/gzip/isal_build.h"
#include "meta/layer/span_cuts.h"
#include "meta/layer/span_format.h"
#include "tests/support/bytes_blob.h"

namespace {

void CheckCuts(const imgmount::SpanTable& table,
               const std::vector<imgmount::TarRun>& runs) {
  uint64_t last = 0;
  for (const uint64_t cut : imgmount::WhereToCut(table, runs)) {
    if (cut <= last || cut >= table.size()) std::abort();
    const imgmount::Span span = table.span(table.Find(cut));
    if (cut == span.offset ||
        (cut - span.offset) % imgmount::kBlockBytes != 0) {
      std::abort();
    }
    last = cut;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace imgmount;
  SpansHeader header;
  if (size < sizeof header) return 0;
  std::string file(reinterpret_cast<const char*>(data), size);
  std::memcpy(&header, file.data(), sizeof header);
  header.magic = kSpansMagic;
  header.version = kSpansVersion;
  header.isal_build = IsalBuild();
  header.table_offset = std::min<uint64_t>(header.table_offset, size);
  const size_t table =
      header.span_count % 8 * sizeof(SpanRecord) + header.block_count % 64 * 8;
  file.resize(std::min(size, header.table_offset + table));
  header.table_checksum = XXH3_64bits(file.data() + header.table_offset,
                                      file.size() - header.table_offset);
  header.header_checksum =
      XXH3_64bits(&header, offsetof(SpansHeader, header_checksum));
  std::memcpy(file.data(), &header, sizeof header);

  static const int fd = ::memfd_create("spans", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (::fchmod(fd, 0600) != 0 || ::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, file.data(), file.size(), 0) !=
          static_cast<ssize_t>(file.size())) {
    std::abort();
  }
  const auto opened = SpanTable::Open(path);
  if (!opened) return 0;
  std::vector<TarRun> runs(std::min<size_t>(size / sizeof(TarRun), 32));
  if (!runs.empty())
    std::memcpy(runs.data(), data, runs.size() * sizeof runs[0]);
  CheckCuts(**opened, runs);
  testing::BytesBlob blob(std::as_bytes(std::span(data, size)));
  uint64_t offset = 0;
  for (size_t i = 0; i < (*opened)->span_count(); ++i) {
    const Span span = (*opened)->span(i);
    if (span.offset != offset || (*opened)->Find(offset) != i) std::abort();
    offset += span.length;
    std::vector<std::byte> out(span.length);
    auto decoder = SpanDecoder::Start(**opened, i, blob, &blob, out);
    if (!decoder) continue;
    const auto status = (*decoder)->DecodeTo(span.length);
    if (status.has_value() != ((*decoder)->ready() == span.length)) {
      std::abort();
    }
    const uint64_t ready = (*decoder)->ready();
    for (uint64_t b = 0; b * kBlockBytes < ready; ++b) {
      const uint64_t length =
          std::min(kBlockBytes, span.length - b * kBlockBytes);
      if (XXH3_64bits(out.data() + b * kBlockBytes, length) !=
          (*opened)->block_checksum(i, b)) {
        std::abort();
      }
    }
  }
  if (offset != (*opened)->size()) std::abort();
  return 0;
}
