// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/layer_info.h"

#include <algorithm>

namespace imgmount {

std::vector<LayerInfo> LayersOf(const Image& image) {
  std::vector<LayerInfo> layers;
  auto history = image.config.history.begin();
  const auto end = image.config.history.end();
  for (size_t i = 0; i < image.manifest.layers.size(); ++i) {
    history = std::find_if(history, end, [](const HistoryEntry& entry) {
      return !entry.empty_layer;
    });
    layers.push_back({i, image.manifest.layers[i].digest,
                      image.config.diff_ids[i],
                      history == end ? "" : history->created_by});
    if (history != end) ++history;
  }
  return layers;
}

size_t SharedLayers(const std::vector<LayerInfo>& a,
                    const std::vector<LayerInfo>& b) {
  const auto differ = std::mismatch(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const auto& x, const auto& y) { return x.diff_id == y.diff_id; });
  return static_cast<size_t>(differ.first - a.begin());
}

}  // namespace imgmount
