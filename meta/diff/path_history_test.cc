// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/path_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/built_layers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::BuiltLayers;
using testing::LayerBuilder;
using testing::TemporaryFolder;

class PathHistoryTest : public ::testing::Test {
 protected:
  // "A0 C1 D2"
  std::string Of(const std::string& path) {
    LayerStates states(layers_, layers_.layer_count(), folder_.path());
    events_ = *HistoryOfPath(states, path);
    std::string text;
    for (const PathEvent& event : events_) {
      if (!text.empty()) text += ' ';
      text += static_cast<char>(event.kind) + std::to_string(event.layer);
    }
    return text;
  }

  BuiltLayers layers_{[] {
    std::vector<LayerBuilder> layers;
    layers.push_back(LayerBuilder()
                         .Dir("usr")
                         .Dir("usr/bin")
                         .File("usr/bin/sh", 5)
                         .Mode(04755)
                         .Symlink("bin", "usr/bin")
                         .File("gone", 1));
    layers.push_back(LayerBuilder().File("usr/bin/sh", 5).Whiteout("gone"));
    layers.push_back(LayerBuilder().File("gone", 2).Dir("new").File("new/x"));
    layers.push_back(LayerBuilder().Opaque("new").Symlink("bin", "new"));
    return layers;
  }()};
  std::vector<PathEvent> events_;
  TemporaryFolder folder_;
};

TEST_F(PathHistoryTest, TellsWhatEachLayerDid) {
  EXPECT_EQ(Of("/usr/bin/sh"), "A0 C1");
  EXPECT_EQ(Of("gone"), "A0 D1 A2");
  EXPECT_EQ(Of("new/x"), "A2 D3");
  EXPECT_EQ(Of("usr/"), "A0");
  EXPECT_EQ(Of("none"), "");
  EXPECT_EQ(Of("gone/x"), "");
}

TEST_F(PathHistoryTest, FollowsLinksOnTheWay) {
  EXPECT_EQ(Of("bin/sh"), "A0 C1 D3");
  EXPECT_EQ(Of("bin"), "A0 C3");
  EXPECT_EQ(events_[1].target, "new");
}

TEST_F(PathHistoryTest, FindsWhatMatchesInAllLayers) {
  std::vector<LayerBuilder> layers;
  layers.push_back(LayerBuilder()
                       .Dir("etc")
                       .File("etc/a.conf", 1)
                       .File("etc/b.conf", 2)
                       .Symlink("c.conf", "etc/a.conf"));
  layers.push_back(LayerBuilder().File("etc/b.conf", 3).File("conf", 4));
  layers.push_back(LayerBuilder().Whiteout("etc"));
  const BuiltLayers built(std::move(layers));
  LayerStates states(built, built.layer_count(), folder_.path());
  const std::string table = MatchesText(*HistoryOfMatches(states, "*.conf"));
  EXPECT_EQ(table,
            "LAYER   CHANGE   SIZE   PATH\n"
            "0       A               /c.conf -> etc/a.conf\n"
            "0       A        1      /etc/a.conf\n"
            "2       D               /etc/a.conf\n"
            "0       A        2      /etc/b.conf\n"
            "1       C        3      /etc/b.conf\n"
            "2       D               /etc/b.conf\n");
  EXPECT_EQ(MatchesText(*HistoryOfMatches(states, "/etc/b*")),
            "LAYER   CHANGE   SIZE   PATH\n"
            "0       A        2      /etc/b.conf\n"
            "1       C        3      /etc/b.conf\n"
            "2       D               /etc/b.conf\n");
  EXPECT_TRUE(HistoryOfMatches(states, "*.nothing")->empty());
}

TEST_F(PathHistoryTest, IsATable) {
  Of("bin/sh");
  std::vector<LayerInfo> infos;
  for (size_t i = 0; i < layers_.layer_count(); ++i) {
    const Digest digest = DigestOf(std::to_string(i));
    infos.push_back({i, digest, DiffId::FromText(digest.text()), "RUN x"});
  }
  EXPECT_EQ(PathHistoryText(events_, infos),
            "LAYER   CHANGE   MODE         OWNER   SIZE   DIGEST         "
            "CREATED BY\n"
            "0       A        -rwsr-xr-x   0:0     5      5feceb66ffc8   "
            "RUN x\n"
            "1       C        -rw-r--r--   0:0     5      6b86b273ff34   "
            "RUN x\n"
            "3       D                                    4e07408562be   "
            "RUN x\n");
}

}  // namespace
}  // namespace imgmount
