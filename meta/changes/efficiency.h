// SPDX-License-Identifier: Apache-2.0
// How much of an image's layers is of no use: what upper layers replace or
// delete.
#ifndef IMGMOUNT_META_CHANGES_EFFICIENCY_H_
#define IMGMOUNT_META_CHANGES_EFFICIENCY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "meta/base/result.h"
#include "meta/diff/layer_states.h"

namespace imgmount {

struct WastedPath {
  std::string path;  // "/var/cache/apt/x"
  uint64_t bytes;    // in all layers together
  size_t times;      // how often it was written or deleted
};

// As dive defines it. Every path that a layer writes or whites out (of
// directories only those in which the layer has nothing) is worth its size
// there; a whiteout of a directory is worth the sizes of all files below it.
//   score = sum over paths of the least that it was worth
//         / sum over paths of all that it was worth
// and wasted is all that those paths are worth that occur more than once.
struct Efficiency {
  double score = 1;  // 0 … 1
  uint64_t wasted_bytes = 0;
  std::vector<WastedPath> wasted;  // most bytes first
};

Result<Efficiency> MeasureEfficiency(LayerStates& states);

// Bytes of a layer that a layer, as a rule further up, replaces or deletes.
struct HiddenBy {
  size_t layer;
  uint64_t bytes;
  bool operator==(const HiddenBy&) const = default;
};

struct LayerBytes {
  uint64_t content = 0;  // of the layer's files
  uint64_t hidden = 0;   // of those that nobody sees in the image
  // The same, by the layers that did it, bottom first; by HiddenMeter only.
  std::vector<HiddenBy> hidden_by = {};
};

// One element for each layer, bottom first.
Result<std::vector<LayerBytes>> MeasureLayers(LayerStates& states);

// Goes through the states of an image with whoever looks at them anyway.
class HiddenMeter {
 public:
  // The state as of layer 0, 1, 2 and so on, each once.
  Status Add(LayerStates& states);
  // The sums of the layers so far.
  const std::vector<LayerBytes>& layers() const { return layers_; }

 private:
  std::vector<LayerBytes> layers_;
  std::vector<uint64_t> visible_;  // of each, as of the last one
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_CHANGES_EFFICIENCY_H_
