// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/layer_info.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

DiffId DiffIdOf(int i) {
  return DiffId::FromText(DigestOf(std::to_string(i)).text());
}

Image ImageOf(int layers, std::vector<HistoryEntry> history) {
  const Digest digest = DigestOf("manifest");
  Image image{"", digest, {"", {"", digest}, {}, {}}, {}, {}};
  for (int i = 0; i < layers; ++i) {
    image.manifest.layers.push_back({"", DigestOf("l" + std::to_string(i))});
    image.config.diff_ids.push_back(DiffIdOf(i));
  }
  image.config.history = std::move(history);
  return image;
}

HistoryEntry Step(std::string created_by, bool empty = false) {
  HistoryEntry entry;
  entry.created_by = std::move(created_by);
  entry.empty_layer = empty;
  return entry;
}

TEST(LayerInfo, TakesItsLineOfTheHistory) {
  const auto layers =
      LayersOf(ImageOf(2, {Step("ADD rootfs"), Step("ENV A=1", true),
                           Step("RUN make"), Step("CMD x", true)}));
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].number, 0u);
  EXPECT_EQ(layers[0].created_by, "ADD rootfs");
  EXPECT_EQ(layers[1].digest, DigestOf("l1"));
  EXPECT_EQ(layers[1].diff_id, DiffIdOf(1));
  EXPECT_EQ(layers[1].created_by, "RUN make");
}

TEST(LayerInfo, IsThereWithoutAHistory) {
  const auto layers = LayersOf(ImageOf(2, {Step("one")}));
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[1].created_by, "");
}

TEST(SharedLayers, CountsFromTheBottom) {
  const auto three = LayersOf(ImageOf(3, {}));
  auto other = three;
  EXPECT_EQ(SharedLayers(three, other), 3u);
  other[1].diff_id = DiffIdOf(9);
  EXPECT_EQ(SharedLayers(three, other), 1u) << "what is above does not count";
  other.erase(other.begin() + 1, other.end());
  EXPECT_EQ(SharedLayers(three, other), 1u);
  EXPECT_EQ(SharedLayers(three, {}), 0u);
}

}  // namespace
}  // namespace imgmount
