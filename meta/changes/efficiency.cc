// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/efficiency.h"

#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace imgmount {
namespace {

std::string_view ParentOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "" : path.substr(0, slash);
}

// The bytes of all files below a directory, each file once.
Result<uint64_t> BytesBelow(const UnionTree& tree, Ino directory) {
  uint64_t bytes = 0;
  std::set<Ino> files;
  std::vector<Ino> directories = {directory};
  while (!directories.empty()) {
    const Ino at = directories.back();
    directories.pop_back();
    IMGMOUNT_TRY(const uint64_t count, tree.EntryCount(at));
    for (uint64_t i = 0; i < count; ++i) {
      IMGMOUNT_TRY(const DirEntry entry, tree.Entry(at, i));
      if (entry.type == S_IFDIR) directories.push_back(entry.ino);
      if (entry.type != S_IFREG || !files.insert(entry.ino).second) continue;
      IMGMOUNT_TRY(const Inode inode, tree.Get(entry.ino));
      bytes += inode.size;
    }
  }
  return bytes;
}

class Meter {
 public:
  explicit Meter(LayerStates& states) : states_(states) {}

  Result<Efficiency> Run() {
    for (size_t layer = 0; layer < states_.layer_count(); ++layer) {
      IMGMOUNT_CHECK(AddLayer(layer));
    }
    Efficiency result;
    uint64_t least = 0;
    uint64_t all = 0;
    for (const auto& [path, worth] : paths_) {
      least += worth.least;
      all += worth.all;
      if (worth.times < 2) continue;
      result.wasted_bytes += worth.all;
      result.wasted.push_back(
          {'/' + std::string(path), worth.all, worth.times});
    }
    if (all != 0) {
      result.score = static_cast<double>(least) / static_cast<double>(all);
    }
    std::sort(result.wasted.begin(), result.wasted.end(),
              [](const WastedPath& x, const WastedPath& y) {
                return std::tie(y.bytes, x.path) < std::tie(x.bytes, y.path);
              });
    return result;
  }

 private:
  struct Worth {
    uint64_t least = std::numeric_limits<uint64_t>::max();
    uint64_t all = 0;
    size_t times = 0;
  };

  Status AddLayer(size_t layer) {
    IMGMOUNT_TRY(const LayerIndex* index, states_.Index(layer));
    std::unordered_set<std::string_view> parents;
    std::unordered_map<std::string_view, uint64_t> written;
    std::vector<std::string_view> whiteouts;
    for (size_t i = 0; i < index->size(); ++i) {
      const EntryView entry = index->entry(i);
      if (entry.path.empty() || entry.type == EntryType::kOpaque) continue;
      for (auto parent = ParentOf(entry.path);
           !parent.empty() && parents.insert(parent).second;
           parent = ParentOf(parent)) {
      }
      if (entry.type == EntryType::kWhiteout) {
        whiteouts.push_back(entry.path);
      } else {
        written[entry.path] =
            entry.type == EntryType::kRegular ? entry.size : 0;
      }
    }
    for (const auto& [path, size] : written) {
      if (!parents.contains(path)) Put(path, size);
    }
    for (const std::string_view path : whiteouts) {
      IMGMOUNT_TRY(const uint64_t bytes, BytesOfWhiteout(layer, path));
      Put(path, bytes);
    }
    return {};
  }

  Result<uint64_t> BytesOfWhiteout(size_t layer, std::string_view path) {
    if (layer == 0) return 0;
    IMGMOUNT_TRY(const UnionTree* below, states_.AsOf(layer));
    const auto found = below->Resolve(path);
    if (!found) {
      if (found.error().code() == ErrorCode::kNotFound) return 0;
      return Failure(found.error());
    }
    IMGMOUNT_TRY(const Inode inode, below->Get(*found));
    if (!S_ISDIR(inode.mode)) return 0;
    return BytesBelow(*below, *found);
  }

  void Put(std::string_view path, uint64_t bytes) {
    Worth& worth = paths_[path];
    worth.least = std::min(worth.least, bytes);
    worth.all += bytes;
    ++worth.times;
  }

  LayerStates& states_;
  std::unordered_map<std::string_view, Worth> paths_;  // in the indexes
};

// Measures what is seen of each of the first `layers` layers in a tree.
Result<std::vector<uint64_t>> VisibleBytes(const UnionTree& tree,
                                           size_t layers) {
  std::vector<uint64_t> visible(layers);
  for (uint64_t number = 1; number <= tree.inode_count(); ++number) {
    IMGMOUNT_TRY(const Inode inode, tree.Get(Ino(number)));
    if (S_ISREG(inode.mode) && inode.layer < layers) {
      visible[inode.layer] += inode.size;
    }
  }
  return visible;
}

}  // namespace

Result<Efficiency> MeasureEfficiency(LayerStates& states) {
  return Meter(states).Run();
}

Result<std::vector<LayerBytes>> MeasureLayers(LayerStates& states) {
  std::vector<LayerBytes> layers(states.layer_count());
  if (layers.empty()) return layers;
  IMGMOUNT_TRY(const UnionTree* tree, states.AsOf(layers.size()));
  IMGMOUNT_TRY(const auto visible, VisibleBytes(*tree, layers.size()));
  for (size_t i = 0; i < layers.size(); ++i) {
    IMGMOUNT_TRY(const LayerIndex* index, states.Index(i));
    layers[i].content = index->content_bytes();
    layers[i].hidden =
        layers[i].content - std::min(layers[i].content, visible[i]);
  }
  return layers;
}

Status HiddenMeter::Add(LayerStates& states) {
  const size_t layer = layers_.size();
  IMGMOUNT_TRY(const LayerIndex* index, states.Index(layer));
  IMGMOUNT_TRY(const UnionTree* tree, states.AsOf(layer + 1));
  IMGMOUNT_TRY(auto visible, VisibleBytes(*tree, layer + 1));
  layers_.push_back({.content = index->content_bytes()});
  visible_.push_back(index->content_bytes());
  for (size_t i = 0; i <= layer; ++i) {
    const uint64_t lost = visible_[i] - std::min(visible_[i], visible[i]);
    if (lost == 0) continue;
    layers_[i].hidden += lost;
    layers_[i].hidden_by.push_back({layer, lost});
  }
  visible_ = std::move(visible);
  return {};
}

}  // namespace imgmount
