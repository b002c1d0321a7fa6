// SPDX-License-Identifier: Apache-2.0
#include "fs/view/provenance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "meta/diff/layer_states.h"
#include "tests/support/built_layers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::BuiltLayers;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::LayerBuilder;
using testing::TemporaryFolder;

// kept, replaced by 1, deleted by 2; a directory merged by 1, one deleted by 2;
// a file of two names that go one by one.
class ProvenanceTest : public ::testing::Test {
 protected:
  ProvenanceTest() {
    std::vector<LayerBuilder> layers;
    layers.push_back(LayerBuilder()
                         .File("kept", 1)
                         .File("replaced", 2)
                         .File("deleted", 3)
                         .Dir("merged")
                         .File("merged/a", 4)
                         .Dir("gone")
                         .File("gone/x", 5)
                         .Symlink("link", "kept")
                         .File("name", 6)
                         .Link("name2", "name"));
    layers.push_back(LayerBuilder()
                         .File("replaced", 2)
                         .Dir("merged")
                         .File("merged/b", 1)
                         .Link("linked", "kept")
                         .Whiteout("name"));
    layers.push_back(
        LayerBuilder().Whiteout("deleted").Whiteout("gone").Whiteout("name2"));
    layers_ = BuiltLayers(std::move(layers));
    for (size_t i = 0; i < layers_.layer_count(); ++i) {
      const Digest digest = DigestOf("layer " + std::to_string(i));
      infos_.push_back({i, digest, DiffId::FromText(digest.text()),
                        i == 1 ? "" : "RUN " + std::to_string(i)});
    }
  }

  // Asks the tree of the first `shown` layers.
  std::string Value(size_t shown, const std::string& path,
                    const std::string& name) {
    const UnionTree* tree = *states_.AsOf(shown);
    const Provenance provenance(
        *tree, infos_, shown - 1,
        [this](size_t layers) { return states_.AsOf(layers); });
    return Get(provenance, *tree, path, name);
  }
  std::string ValueAlone(size_t layer, const std::string& path,
                         const std::string& name) {
    const auto tree = *states_.Alone(layer);
    const Provenance provenance(*tree, infos_, layer, [this](size_t layers) {
      return states_.AsOf(layers);
    });
    return Get(provenance, *tree, path, name);
  }
  static std::string Get(const Provenance& provenance, const UnionTree& tree,
                         const std::string& path, const std::string& name) {
    const auto value = provenance.Value(*tree.Get(*tree.Resolve(path)),
                                        "user.imgmount." + name);
    EXPECT_TRUE(value) << value.error().message();
    return value && *value ? **value : "none";
  }

  BuiltLayers layers_;
  std::vector<LayerInfo> infos_;
  TemporaryFolder folder_;
  LayerStates states_{layers_, 3, folder_.path()};
};

TEST_F(ProvenanceTest, NamesTheLayer) {
  EXPECT_EQ(Value(3, "kept", "layer"), "0");
  EXPECT_EQ(Value(3, "kept", "digest"), infos_[0].digest.text());
  EXPECT_EQ(Value(3, "kept", "created_by"), "RUN 0");
  EXPECT_EQ(Value(3, "replaced", "layer"), "1");
  EXPECT_EQ(Value(3, "replaced", "created_by"), "none");
  EXPECT_EQ(Value(3, "merged", "layer"), "1");
  EXPECT_EQ(Value(3, "kept", "colour"), "none");
  EXPECT_EQ(Value(3, "link", "layer"), "none") << "the kernel allows none";
}

TEST_F(ProvenanceTest, NamesTheLayerThatHides) {
  EXPECT_EQ(Value(1, "kept", "hidden_in"), "none");
  EXPECT_EQ(Value(1, "replaced", "hidden_in"), "1");
  EXPECT_EQ(Value(1, "deleted", "hidden_in"), "2");
  EXPECT_EQ(Value(2, "deleted", "hidden_in"), "2");
  EXPECT_EQ(Value(1, "merged", "hidden_in"), "none");
  EXPECT_EQ(Value(1, "merged/a", "hidden_in"), "none");
  EXPECT_EQ(Value(1, "gone", "hidden_in"), "2");
  EXPECT_EQ(Value(1, "gone/x", "hidden_in"), "2");
  EXPECT_EQ(Value(1, "name", "hidden_in"), "2") << "its last name";
  EXPECT_EQ(Value(3, "kept", "hidden_in"), "none");
}

TEST_F(ProvenanceTest, KnowsLayersAlone) {
  EXPECT_EQ(ValueAlone(1, "replaced", "layer"), "1");
  EXPECT_EQ(ValueAlone(1, "replaced", "hidden_in"), "none");
  EXPECT_EQ(ValueAlone(1, "name", "layer"), "none") << "a whiteout";
  EXPECT_EQ(ValueAlone(0, "replaced", "hidden_in"), "1");
  EXPECT_EQ(ValueAlone(2, "deleted", "hidden_in"), "none");
  EXPECT_EQ(ValueAlone(1, "linked", "layer"), "0") << "a link to its file";
  EXPECT_EQ(ValueAlone(1, "linked", "hidden_in"), "none");
}

TEST_F(ProvenanceTest, ListsItsNames) {
  const UnionTree* tree = *states_.AsOf(1);
  const Provenance provenance(
      *tree, infos_, 0, [this](size_t layers) { return states_.AsOf(layers); });
  const auto names = [&](const char* path) {
    return *provenance.Names(*tree->Get(*tree->Resolve(path)));
  };
  EXPECT_THAT(names("kept"),
              ElementsAre("user.imgmount.created_by", "user.imgmount.digest",
                          "user.imgmount.layer"));
  EXPECT_THAT(names("deleted"),
              ElementsAre("user.imgmount.created_by", "user.imgmount.digest",
                          "user.imgmount.hidden_in", "user.imgmount.layer"));
  EXPECT_THAT(names("link"), IsEmpty());
}

}  // namespace
}  // namespace imgmount
