// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/layer_states.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "meta/diff/tree_diff.h"
#include "meta/diff/union_side.h"
#include "tests/support/built_layers.h"
#include "tests/support/change_lines.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::LayerBuilder;

class LayerStatesTest : public testing::BuiltStatesTest {
 protected:
  // Lists what layer `layer` did.
  static std::vector<std::string> Did(LayerStates& states, size_t layer) {
    const std::vector<DiffId> ids;
    const auto empty = MakeEmptyTree();
    std::unique_ptr<DiffTree> below;
    if (layer > 0) below = MakeUnionSide(**states.AsOf(layer), ids, {});
    const auto above = MakeUnionSide(**states.AsOf(layer + 1), ids, {});
    return testing::ChangeLines(
        DiffTrees(layer > 0 ? *below : *empty, *above,
                  {.ignore = kWhatContent, .exclude = {}}));
  }
};

TEST_F(LayerStatesTest, ShowWhatEachLayerDid) {
  auto states = StatesOf({
      LayerBuilder().Dir("etc").File("etc/a").File("etc/b").File("x/y"),
      LayerBuilder().Dir("etc").Whiteout("etc/a").File("etc/c"),
      LayerBuilder().File("etc/b").Mode(0600).Opaque("x").File("x/z"),
      LayerBuilder().File("x"),
  });
  EXPECT_THAT(Did(states, 0),
              ElementsAre("A /etc", "A /etc/a", "A /etc/b", "A /x", "A /x/y"));
  EXPECT_THAT(Did(states, 1), ElementsAre("D /etc/a", "A /etc/c"));
  EXPECT_THAT(Did(states, 2), ElementsAre("C /etc/b", "D /x/y", "A /x/z"));
  EXPECT_THAT(Did(states, 3), ElementsAre("C /x", "D /x/z"));
  EXPECT_EQ(layers_.loaded(), 4) << "an index is loaded once";
}

TEST_F(LayerStatesTest, LeaveNoFiles) {
  auto states = StatesOf({LayerBuilder().File("a"), LayerBuilder().File("b")});
  ASSERT_TRUE(states.AsOf(1));
  ASSERT_TRUE(states.AsOf(2));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  EXPECT_TRUE((*states.AsOf(2))->Resolve("b")) << "still readable";
}

TEST_F(LayerStatesTest, FindTheLayerThatDeletedAPath) {
  auto states = StatesOf({
      LayerBuilder().File("a/1").File("b/1").File("c/1").File("d").File("e"),
      LayerBuilder().Whiteout("d").Whiteout("e"),
      LayerBuilder().Opaque("b").File("e"),
      LayerBuilder().File("c").Whiteout("a"),
      LayerBuilder().Whiteout("e").Whiteout("d"),
  });
  const auto who = [&](std::string_view path, size_t below) {
    const auto by = states.WhoDeleted(path, below);
    EXPECT_TRUE(by) << by.error().message();
    return *by;
  };
  EXPECT_EQ(who("/d", 1), 1) << "a second whiteout finds nothing to delete";
  EXPECT_EQ(who("/b/1", 1), 2) << "by an opaque directory";
  EXPECT_EQ(who("/c/1", 1), 3) << "by a file in the way";
  EXPECT_EQ(who("/a/1", 1), 3) << "with its directory";
  EXPECT_EQ(who("/e", 1), 4) << "the last time counts";
  EXPECT_EQ(who("/d", 2), std::nullopt) << "was gone already";
  EXPECT_EQ(who("/c", 1), std::nullopt) << "is there";
  EXPECT_EQ(who("/none", 1), std::nullopt);
  EXPECT_EQ(who("/d", 0), 1) << "nothing shared: found all the same";
}

TEST_F(LayerStatesTest, PassOnWhyAnIndexIsMissing) {
  LayerStates states(layers_, 1, folder_.path());
  EXPECT_EQ(states.AsOf(1).error().message(), "the image has no such layer");
}

}  // namespace
}  // namespace imgmount
