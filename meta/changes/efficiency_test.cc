// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/efficiency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/built_layers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::LayerBuilder;

class EfficiencyTest : public testing::BuiltStatesTest {};

TEST_F(EfficiencyTest, OfDistinctFilesIsOne) {
  auto states = StatesOf({LayerBuilder().Dir("d").File("d/a", 10),
                          LayerBuilder().Dir("d").File("d/b", 20)});
  const auto efficiency = MeasureEfficiency(states);
  ASSERT_TRUE(efficiency);
  EXPECT_EQ(efficiency->score, 1);
  EXPECT_EQ(efficiency->wasted_bytes, 0u);
  EXPECT_TRUE(efficiency->wasted.empty());
}

TEST_F(EfficiencyTest, OfNothingIsOne) {
  auto states = StatesOf({});
  EXPECT_EQ(MeasureEfficiency(states)->score, 1);
  EXPECT_TRUE(MeasureLayers(states)->empty());
}

// By hand, after dive's filetree/efficiency.go:
//   keep       100              least 100  all 100
//   twice      30, then 20      least  20  all  50  wasted 50
//   removed    40, then gone    least   0  all  40  wasted 40
//   tree/a,b   5 + 6            least  11  all  11
//   tree       gone: 5 + 6      least  11  all  11
//   once       7                least   7  all   7
// score = 149 / 219
TEST_F(EfficiencyTest, IsThatOfDive) {
  auto states = StatesOf({
      LayerBuilder()
          .File("keep", 100)
          .File("twice", 30)
          .File("removed", 40)
          .Dir("tree")
          .File("tree/a", 5)
          .File("tree/b", 6),
      LayerBuilder().File("twice", 20).Whiteout("removed").Whiteout("tree"),
      LayerBuilder().File("once", 7).Link("link", "once"),
  });
  const auto efficiency = MeasureEfficiency(states);
  ASSERT_TRUE(efficiency) << efficiency.error().message();
  EXPECT_DOUBLE_EQ(efficiency->score, 149.0 / 219);
  EXPECT_EQ(efficiency->wasted_bytes, 90u);
  ASSERT_EQ(efficiency->wasted.size(), 2u);
  EXPECT_EQ(efficiency->wasted[0].path, "/twice");
  EXPECT_EQ(efficiency->wasted[0].bytes, 50u);
  EXPECT_EQ(efficiency->wasted[0].times, 2u);
  EXPECT_EQ(efficiency->wasted[1].path, "/removed");
  EXPECT_EQ(efficiency->wasted[1].bytes, 40u);
}

TEST_F(EfficiencyTest, CountsTheBytesThatNobodySees) {
  auto states = StatesOf({
      LayerBuilder()
          .File("keep", 100)
          .File("twice", 30)
          .Dir("t")
          .File("t/a", 5),
      LayerBuilder().File("twice", 20).Whiteout("t"),
  });
  const auto layers = MeasureLayers(states);
  ASSERT_TRUE(layers);
  EXPECT_EQ(layers->at(0).content, 135u);
  EXPECT_EQ(layers->at(0).hidden, 35u);
  EXPECT_EQ(layers->at(1).content, 20u);
  EXPECT_EQ(layers->at(1).hidden, 0u);
}

// Deleted directories, too, which dive's score does not see.
TEST_F(EfficiencyTest, TellsWhichLayerHidesBytesOfWhich) {
  auto states = StatesOf({
      LayerBuilder()
          .File("keep", 100)
          .File("twice", 30)
          .Dir("t")
          .File("t/a", 500),
      LayerBuilder().File("twice", 20).File("t/b", 40),
      LayerBuilder().Whiteout("t"),
      LayerBuilder().File("twice", 1).Link("kept", "keep").Whiteout("keep"),
  });
  HiddenMeter meter;
  for (size_t i = 0; i < states.layer_count(); ++i) {
    ASSERT_TRUE(meter.Add(states));
    states.Drop(i);
  }
  using By = std::vector<HiddenBy>;
  EXPECT_EQ(meter.layers()[0].hidden_by, (By{{1, 30}, {2, 500}}));
  EXPECT_EQ(meter.layers()[1].hidden_by, (By{{2, 40}, {3, 20}}));
  EXPECT_EQ(meter.layers()[2].hidden_by, By{});
  EXPECT_EQ(meter.layers()[3].hidden_by, By{});
  const auto at_the_end = MeasureLayers(states);
  ASSERT_TRUE(at_the_end);
  for (size_t i = 0; i < states.layer_count(); ++i) {
    EXPECT_EQ(meter.layers()[i].content, at_the_end->at(i).content);
    EXPECT_EQ(meter.layers()[i].hidden, at_the_end->at(i).hidden);
  }
}

}  // namespace
}  // namespace imgmount
