// SPDX-License-Identifier: Apache-2.0
// BuiltLayers: layers of an image that exist as indexes only, for tests of
// what reads no file's bytes.
#ifndef IMGMOUNT_TESTS_SUPPORT_BUILT_LAYERS_H_
#define IMGMOUNT_TESTS_SUPPORT_BUILT_LAYERS_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "meta/diff/layer_states.h"
#include "meta/store/layer_provider.h"
#include "meta/union/layer_builder.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {

class BuiltLayers : public LayerProvider {
 public:
  explicit BuiltLayers(std::vector<LayerBuilder> layers = {})
      : layers_(std::move(layers)) {}

  int loaded() const { return loaded_; }  // calls of Index()

  size_t layer_count() const override { return layers_.size(); }
  Result<LayerIndex> Index(size_t layer) const override {
    ++loaded_;
    if (layer < layers_.size()) return layers_[layer].Build();
    return Fail(ErrorCode::kCorrupt, "the image has no such layer");
  }
  Result<OpenedLayer> Open(size_t) const override { return NoBytes(); }
  Result<std::unique_ptr<UnionTree>> Tree(size_t) const override {
    return NoBytes();
  }
  std::string TreeKey(size_t layers) const override {
    return std::to_string(layers);
  }
  void WillReread(size_t, std::span<const TarRun>) const override {}

 private:
  static Failure NoBytes() {
    return Fail(ErrorCode::kNotFound, "these layers are indexes only");
  }
  std::vector<LayerBuilder> layers_;
  mutable int loaded_ = 0;
};

// A test of states of an image whose layers are built.
class BuiltStatesTest : public ::testing::Test {
 protected:
  LayerStates StatesOf(std::vector<LayerBuilder> layers) {
    layers_ = BuiltLayers(std::move(layers));
    return LayerStates(layers_, layers_.layer_count(), folder_.path());
  }

  BuiltLayers layers_;
  TemporaryFolder folder_;
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_BUILT_LAYERS_H_
