// SPDX-License-Identifier: Apache-2.0
// libFuzzer: no layers, whatever their entries, make Merge() crash or hang, or
// write a file that cannot be walked.
//
// Each entry is three bytes: its type and whether it starts a layer, its path,
// its target; paths and targets are numbers into a few that meet each other.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "meta/tar/layer_index.h"
#include "meta/union/union_tree.h"

namespace imgmount {
namespace {

constexpr std::string_view kPaths[] = {
    "a",     "b",       "a/b",     "a/a",         "b/a",   "a/b/c",
    "a/b/a", "b/a/a/a", "a/a/a/a", "a/a/a/a/a/a", "c/d/e", ""};
constexpr std::string_view kTargets[] = {
    "a",     "b",       "a/b",   "/a",    "/a/b", "..",    "../b",
    "./a/.", "../../a", "/b/..", "c/d/e", "/",    "b/a/a", ""};

LayerEntry MakeEntry(const uint8_t* data) {
  constexpr auto kTypes = static_cast<uint8_t>(EntryType::kOpaque) + 1;
  LayerEntry entry;
  entry.type = static_cast<EntryType>(data[0] % kTypes);
  entry.path = kPaths[data[1] % std::size(kPaths)];
  if (entry.type == EntryType::kSymlink) {
    entry.link_target = kTargets[data[2] % std::size(kTargets)];
  } else if (entry.type == EntryType::kHardLink) {
    entry.link_target = kPaths[data[2] % std::size(kPaths)];
  } else if (entry.type == EntryType::kRegular) {
    entry.size = data[2];
    if (data[2] != 0) entry.extents = {{0, data[2], 512}};
  }
  return entry;
}

}  // namespace
}  // namespace imgmount

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace imgmount;
  static const std::string path = std::filesystem::temp_directory_path() /
                                  ("merge_fuzz." + std::to_string(::getpid()));
  std::vector<LayerIndex> layers(1);
  for (size_t i = 0; i + 2 < size; i += 3) {
    if (data[i] >= 0xc0) layers.emplace_back();
    (void)layers.back().Add(MakeEntry(data + i));
  }
  std::vector<const LayerIndex*> pointers;
  for (const LayerIndex& layer : layers) pointers.push_back(&layer);
  const MergeOptions options = {.show_whiteouts = layers.size() == 1};
  const auto merged = Merge(pointers, path, options);
  if (!merged) {
    if (merged.error().code() != ErrorCode::kCorrupt) std::abort();
    return 0;
  }
  const auto tree = UnionTree::Open(path);
  if (!tree || !(*tree)->VerifyAll() || !(*tree)->Dump()) std::abort();
  std::filesystem::remove(path);
  return 0;
}
