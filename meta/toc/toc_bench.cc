// SPDX-License-Identifier: Apache-2.0
// How fast a TOC of many entries becomes an index, and at which peak of memory:
// 160,000 entries, as of image big.
//
//   cmake --build --preset release --target toc_bench && toc_bench
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "meta/toc/toc_reader.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

constexpr int kEntries = 160'000;
constexpr int kBytesPerEntry = 3000;  // compressed, in the blob

// A line of /proc/self/status, in bytes.
int64_t MemoryOf(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) {
      return std::stoll(line.substr(field.size() + 1)) << 10;
    }
  }
  return 0;
}

// As Go's json.MarshalIndent writes it for eStargz.
std::string MakeJson() {
  std::string json = "{\n\t\"version\": 1,\n\t\"entries\": [";
  for (int i = 0; i < kEntries; ++i) {
    const std::string digest = DigestOf(std::to_string(i)).text();
    json += i == 0 ? "\n" : ",\n";
    json += fmt::format(
        "\t\t{{\n\t\t\t\"name\": \"usr/share/package-{}/a-file-{}.txt\",\n"
        "\t\t\t\"type\": \"reg\",\n\t\t\t\"size\": {},\n"
        "\t\t\t\"modtime\": \"2020-09-13T12:26:40Z\",\n\t\t\t\"mode\": 33188,\n"
        "\t\t\t\"offset\": {},\n\t\t\t\"digest\": \"{}\",\n"
        "\t\t\t\"chunkDigest\": \"{}\"\n\t\t}}",
        i / 20, i, 1 + i % 10'000, 100 + i * int64_t{kBytesPerEntry}, digest,
        digest);
  }
  return json + "\n\t]\n}";
}

void ReadAll(benchmark::State& state, TocEncoding encoding) {
  TocDigests digests;
  std::string blob;
  size_t json_size = 0;
  {
    const std::string json = MakeJson();
    json_size = json.size();
    digests.json = DigestOf(json);
    blob = encoding == TocEncoding::kZstd
               ? testing::Zstd(json)
               : testing::Gzip(testing::TarBuilder()
                                   .File("stargz.index.json", json)
                                   .Build());
  }
  const uint64_t data_end = uint64_t{kEntries} * kBytesPerEntry + 1000;
  const TocLocation where = {encoding, data_end + 8, blob.size(), data_end, {}};
  ::malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";  // forget the peak so far
  const int64_t before = MemoryOf("VmRSS");
  for (auto _ : state) {
    auto left = std::as_bytes(std::span(blob));
    const auto toc = ReadToc(digests, where, [&] {
      const auto piece = left.first(std::min<size_t>(left.size(), 64 << 10));
      left = left.subspan(piece.size());
      return piece;
    });
    if (!toc) {
      std::fprintf(stderr, "%s\n", toc.error().message().c_str());
      std::abort();
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * json_size));
  state.counters["peak"] = static_cast<double>(MemoryOf("VmHWM") - before);
  state.counters["compressed"] = static_cast<double>(blob.size());
}

BENCHMARK_CAPTURE(ReadAll, estargz, TocEncoding::kGzip)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ReadAll, zstd_chunked, TocEncoding::kZstd)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace imgmount

BENCHMARK_MAIN();
