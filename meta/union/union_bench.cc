// SPDX-License-Identifier: Apache-2.0
// Measures the union: merging, opening, and the operations FUSE stands on.
//
//   cmake --build --preset release --target union_bench && union_bench
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "meta/tar/layer_index.h"
#include "meta/union/union_tree.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

// An image of `count` files, 16 in a directory, in a tree of directories.
LayerIndex MakeLayer(int64_t count) {
  LayerIndex layer;
  LayerEntry directory;
  directory.type = EntryType::kDirectory;
  directory.mode = 0755;
  LayerEntry file;
  file.mode = 0644;
  file.size = 1000;
  uint64_t offset = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (i % 16 == 0) {
      directory.path = fmt::format("usr/lib/part{}/section{}/package{}",
                                   i >> 16, i >> 10, i >> 4);
      (void)layer.Add(directory);
      offset += 512;
    }
    file.path = fmt::format("{}/library_file{}.so", directory.path, i);
    file.mtime.seconds = i;
    file.extents = {{0, 1000, offset}};
    offset += 1536;
    (void)layer.Add(file);
  }
  return layer;
}

LayerIndex MakeFlatLayer(int64_t count) {
  LayerIndex layer;
  LayerEntry file;
  file.mode = 0644;
  for (int64_t i = 0; i < count; ++i) {
    file.path = fmt::format("d/{:x}", i * 0x9e3779b97f4a7c15);
    (void)layer.Add(file);
  }
  return layer;
}

// A merged tree in a file that ends with the program.
class TemporaryTree {
 public:
  explicit TemporaryTree(const LayerIndex& layer)
      : path_(fs::temp_directory_path() /
              fmt::format("union_bench.{}", ::getpid())) {
    const LayerIndex* layers[] = {&layer};
    if (!Merge(layers, path_)) std::abort();
    tree_ = *UnionTree::Open(path_);
  }
  ~TemporaryTree() { fs::remove(path_); }
  const UnionTree& operator*() const { return *tree_; }
  const UnionTree* operator->() const { return tree_.get(); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  std::unique_ptr<UnionTree> tree_;
};

// Every directory, each with the name of its middle entry.
std::vector<std::pair<Ino, std::string>> SomeNames(const UnionTree& tree) {
  std::vector<std::pair<Ino, std::string>> names;
  for (uint64_t i = 1; i <= tree.inode_count(); ++i) {
    const auto count = tree.EntryCount(Ino(i));
    if (!count || *count == 0) continue;
    names.emplace_back(Ino(i), tree.Entry(Ino(i), *count / 2)->name);
  }
  return names;
}

// Memory of this process, in MiB: the most ever, or now.
double PeakMemory() {
  struct rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}
double MemoryNow() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

void BM_Merge(benchmark::State& state) {
  const LayerIndex layer = MakeLayer(state.range(0));
  const LayerIndex* layers[] = {&layer};
  const fs::path path =
      fs::temp_directory_path() / fmt::format("union_bench.{}", ::getpid());
  ::malloc_trim(0);
  const double before = MemoryNow();
  for (auto _ : state) {
    if (!Merge(layers, path)) state.SkipWithError("merge failed");
  }
  // Right where it is the first to need that much, as in the order below.
  state.counters["MiB"] = PeakMemory() - before;
  state.counters["bytes/entry"] = static_cast<double>(fs::file_size(path)) /
                                  static_cast<double>(layer.size());
  fs::remove(path);
}
BENCHMARK(BM_Merge)
    ->RangeMultiplier(10)
    ->Range(10'000, 1'000'000)
    ->Unit(benchmark::kMillisecond);

void BM_Open(benchmark::State& state) {
  const TemporaryTree tree(MakeLayer(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(UnionTree::Open(tree.path()));
  }
}
BENCHMARK(BM_Open)->RangeMultiplier(10)->Range(10'000, 1'000'000);

void BM_Get(benchmark::State& state) {
  const TemporaryTree tree(MakeLayer(state.range(0)));
  uint64_t i = 0;
  for (auto _ : state) {
    i = i % tree->inode_count() + 1;
    benchmark::DoNotOptimize(tree->Get(Ino(i)));
  }
}
BENCHMARK(BM_Get)->RangeMultiplier(10)->Range(10'000, 1'000'000);

void BM_LookupSmall(benchmark::State& state) {
  const TemporaryTree tree(MakeLayer(state.range(0)));
  const auto names = SomeNames(*tree);
  size_t i = 0;
  for (auto _ : state) {
    const auto& [directory, name] = names[i++ % names.size()];
    benchmark::DoNotOptimize(tree->Lookup(directory, name));
  }
}
BENCHMARK(BM_LookupSmall)->RangeMultiplier(10)->Range(10'000, 1'000'000);

void BM_LookupInLargeDirectory(benchmark::State& state) {
  const TemporaryTree tree(MakeFlatLayer(state.range(0)));
  const Ino directory = *tree->Resolve("d");
  std::vector<std::string> names;
  std::minstd_rand random(1);
  for (int i = 0; i < 4096; ++i) {
    names.emplace_back(tree->Entry(directory, random() % state.range(0))->name);
  }
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(tree->Lookup(directory, names[i++ % 4096]));
  }
}
BENCHMARK(BM_LookupInLargeDirectory)
    ->RangeMultiplier(10)
    ->Range(10'000, 1'000'000);

// Names and attributes of everything, as `find -ls` asks for them.
void BM_Walk(benchmark::State& state) {
  const TemporaryTree tree(MakeLayer(state.range(0)));
  std::vector<Ino> rest;
  for (auto _ : state) {
    rest = {kRootIno};
    while (!rest.empty()) {
      const Ino directory = rest.back();
      rest.pop_back();
      const uint64_t count = *tree->EntryCount(directory);
      for (uint64_t i = 0; i < count; ++i) {
        const DirEntry entry = *tree->Entry(directory, i);
        const Inode inode = *tree->Get(entry.ino);
        if (S_ISDIR(inode.mode)) rest.push_back(entry.ino);
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * tree->inode_count());
}
BENCHMARK(BM_Walk)
    ->RangeMultiplier(10)
    ->Range(10'000, 1'000'000)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace imgmount

BENCHMARK_MAIN();
