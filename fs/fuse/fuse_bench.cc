// SPDX-License-Identifier: Apache-2.0
// Measures the answers to the kernel, without the kernel: a socket pair
// stands in for /dev/fuse.
//
//   cmake --build --preset release --target fs_bench && fs_bench
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <random>
#include <string>
#include <vector>

#include "fs/fuse/fake_fuse.h"
#include "fs/read/tree_reader.h"
#include "fs/view/image_fs.h"
#include "tests/support/test_image.h"

namespace imgmount {
namespace {

using testing::FakeFuse;
using testing::TestImage;
using testing::TestLayer;

constexpr uint64_t kFileBytes = 16 << 20;
constexpr int kFiles = 1000;

TestImage& Image() {
  static TestImage image([] {
    TestLayer layer;
    layer.Content("large", std::string(kFileBytes, 'x'));
    for (int i = 0; i < kFiles; ++i) {
      layer.Content(fmt::format("d/library_file{}.so", i), "text");
    }
    return std::vector<TestLayer>{layer};
  }());
  return image;
}

std::string ReadRequest(uint64_t offset, uint32_t size) {
  fuse_read_in in = {};
  in.offset = offset;
  in.size = size;
  return testing::Wire(in);
}

// Bytes of a span that is decoded already.
void BM_ReadFromSpanCache(benchmark::State& state) {
  const auto reader = TreeReader::Make(Image().tree(), Image().opener());
  const Ino ino = Image().ino("large");
  std::vector<std::byte> out(4096);
  std::minstd_rand random(1);
  (void)reader->View(ino, 0, kFileBytes);
  for (auto _ : state) {
    const uint64_t at = (uint64_t{random()} << 12) % kFileBytes;
    benchmark::DoNotOptimize(reader->Read(ino, at, out));
  }
}
BENCHMARK(BM_ReadFromSpanCache);

class FakeMount {
 public:
  FakeMount()
      : reader_(TreeReader::Make(Image().tree(), Image().opener())),
        fs_(Image().tree(), *reader_),
        context_{.fs = fs_, .max_read = 1 << 20},
        kernel_(context_) {}
  FakeFuse& kernel() { return kernel_; }

 private:
  std::unique_ptr<TreeReader> reader_;
  ImageFs fs_;
  FuseOpsContext context_;
  FakeFuse kernel_;
};

void BM_Lookup(benchmark::State& state) {
  FakeMount mount;
  const uint64_t directory = Image().ino("d").number();
  int i = 0;
  for (auto _ : state) {
    const auto name = fmt::format("library_file{}.so", i++ % kFiles);
    benchmark::DoNotOptimize(
        mount.kernel().Call(FUSE_LOOKUP, directory,
                            std::string_view(name.c_str(), name.size() + 1)));
  }
}
BENCHMARK(BM_Lookup)->UseRealTime();

// A directory of a thousand files, with their attributes.
void BM_ReadDirPlus(benchmark::State& state) {
  FakeMount mount;
  const uint64_t directory = Image().ino("d").number();
  for (auto _ : state) {
    uint64_t offset = 0;
    while (true) {
      const std::string body =
          mount.kernel()
              .Call(FUSE_READDIRPLUS, directory, ReadRequest(offset, 32 << 10))
              .body;
      if (body.empty()) break;
      for (size_t at = 0; at < body.size();) {
        fuse_direntplus entry = {};
        body.copy(reinterpret_cast<char*>(&entry), FUSE_NAME_OFFSET_DIRENTPLUS,
                  at);
        offset = entry.dirent.off;
        at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS +
                                entry.dirent.namelen);
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * kFiles);
}
BENCHMARK(BM_ReadDirPlus)->UseRealTime();

}  // namespace
}  // namespace imgmount

BENCHMARK_MAIN();
