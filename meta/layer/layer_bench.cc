// SPDX-License-Identifier: Apache-2.0
// Measures a first pass and its parts, and reading one span again.
//
//   cmake --build --preset release --target layer_bench && layer_bench
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "meta/layer/blob_source.h"
#include "meta/layer/first_pass.h"
#include "meta/layer/layer_decoder.h"
#include "meta/layer/span_table.h"
#include "meta/tar/tar_walk.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::Gzip;
using testing::RunFirstPass;
using testing::TarBuilder;
using testing::TemporaryFolder;
using testing::TextLikeBytes;

constexpr size_t kPiece = 256 << 10;

// A tar of `count` files of 1 KiB, 16 in a directory.
std::string ManyFiles(int64_t count) {
  TarBuilder tar;
  const std::string content = TextLikeBytes(1024, 1);
  for (int64_t i = 0; i < count; ++i) {
    const std::string directory = fmt::format("usr/lib/part{}/", i / 16);
    if (i % 16 == 0) tar.Dir(directory);
    tar.File(fmt::format("{}library_file{}.so", directory, i), content);
  }
  return tar.Build();
}

const std::string& LargeTar() {
  static const std::string tar =
      TarBuilder().File("large", TextLikeBytes(256 << 20, 1)).Build();
  return tar;
}
const std::string& LargeBlob() {
  static const std::string blob = Gzip(LargeTar());
  return blob;
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// The library alone: what all else is measured by.
void BM_IsalInflate(benchmark::State& state) {
  std::vector<uint8_t> out(1 << 20);
  (void)LargeBlob();  // made outside the loop
  for (auto _ : state) {
    inflate_state inflate;
    ::isal_inflate_init(&inflate);
    inflate.crc_flag = ISAL_GZIP;
    inflate.next_in =
        reinterpret_cast<uint8_t*>(const_cast<char*>(LargeBlob().data()));
    inflate.avail_in = static_cast<uint32_t>(LargeBlob().size());
    do {
      inflate.next_out = out.data();
      inflate.avail_out = static_cast<uint32_t>(out.size());
      if (::isal_inflate(&inflate) != ISAL_DECOMP_OK) {
        state.SkipWithError("inflate failed");
        break;
      }
    } while (inflate.block_state != ISAL_BLOCK_FINISH);
  }
  state.SetBytesProcessed(state.iterations() * LargeTar().size());
}
BENCHMARK(BM_IsalInflate)->Unit(benchmark::kMillisecond);

// The same with a checkpoint every few MiB and a checksum for every block.
void BM_InflateWithCheckpoints(benchmark::State& state) {
  const TemporaryFolder folder;
  for (auto _ : state) {
    auto spans = SpanWriter::Create(folder.path() / "spans");
    FrameWriter frames(folder.path() / "frames", *spans);
    BufferPool pool(2, kPiece);
    TarOutput output(pool, {}, [] { return UINT64_MAX; });
    MemberStarts starts;
    const auto decoder =
        LayerDecoder::Make(Compression::kGzip, output, *spans, frames, starts);
    auto rest = BytesOf(LargeBlob());
    while (!rest.empty()) {
      const auto part = rest.first(std::min(rest.size(), kPiece));
      if (!decoder->Decode({nullptr, part})) {
        state.SkipWithError("decoding failed");
      }
      rest = rest.subspan(part.size());
    }
    if (!decoder->Finish() || !spans->Finish()) {
      state.SkipWithError("decoding failed");
    }
  }
  state.SetBytesProcessed(state.iterations() * LargeTar().size());
}
BENCHMARK(BM_InflateWithCheckpoints)->Unit(benchmark::kMillisecond);

void BM_WalkTar(benchmark::State& state) {
  const std::string tar = ManyFiles(state.range(0));
  for (auto _ : state) {
    auto rest = BytesOf(tar);
    const auto next = [&] {
      const auto part = rest.first(std::min(rest.size(), kPiece));
      rest = rest.subspan(part.size());
      return part;
    };
    if (!WalkTar(next, [] { return UINT64_MAX; })) {
      state.SkipWithError("the walk failed");
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_WalkTar)
    ->RangeMultiplier(10)
    ->Range(10'000, 1'000'000)
    ->Unit(benchmark::kMillisecond);

double MemoryMiB(std::string_view field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == field && status >> kib) return kib / 1024;
  }
  return 0;
}

// All of it; memory is what the pass adds to what the blob takes here.
void BM_FirstPass(benchmark::State& state) {
  const std::string blob = Gzip(ManyFiles(state.range(0)), 1);
  const TemporaryFolder folder;
  ::malloc_trim(0);
  const double before = MemoryMiB("RssAnon:");
  std::ofstream("/proc/self/clear_refs") << 5;  // forget the peak so far
  for (auto _ : state) {
    if (!RunFirstPass(blob, {.folder = folder.path()})) {
      state.SkipWithError("the pass failed");
    }
  }
  state.counters["MiB"] = MemoryMiB("VmHWM:") - before;
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_FirstPass)
    ->RangeMultiplier(10)
    ->Range(10'000, 1'000'000)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// Restoring a state and decoding up to where 4 KiB at random are.
void BM_ReadFromColdSpan(benchmark::State& state) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "blob";
  std::ofstream(path, std::ios::binary) << LargeBlob();
  if (!RunFirstPass(LargeBlob(), {.folder = folder.path()})) {
    state.SkipWithError("the pass failed");
    return;
  }
  const auto table = SpanTable::Open(folder.path() / kSpansFile);
  const auto blob = OpenBlobFile(path);
  std::vector<std::byte> out(kMaxSpanBytes);
  std::minstd_rand random(1);
  for (auto _ : state) {
    const uint64_t at = (uint64_t{random()} << 12) % ((*table)->size() - 4096);
    const size_t i = (*table)->Find(at);
    const Span span = (*table)->span(i);
    auto decoder = SpanDecoder::Start(**table, i, **blob, nullptr, out);
    const uint64_t end = std::min(at + 4096 - span.offset, span.length);
    if (!decoder || !(*decoder)->DecodeTo(end)) {
      state.SkipWithError("decoding failed");
    }
  }
}
BENCHMARK(BM_ReadFromColdSpan)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace imgmount

BENCHMARK_MAIN();
