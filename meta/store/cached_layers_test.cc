// SPDX-License-Identifier: Apache-2.0
#include "meta/store/cached_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "meta/store/layer_store.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::TarBuilder;

class CachedLayersTest : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder_;
  Cache cache_ = *Cache::Open(folder_.path());
  Image image_ = *cache_.Load(
      testing::WriteImage(
          cache_,
          std::vector<std::string>{
              TarBuilder().File("a", "one").File("b", "two").Build(),
              TarBuilder().Whiteout("a").Build()}),
      Platform{"linux", "amd64", "", ""});
  const CachedLayers layers_{cache_, image_};
};

TEST_F(CachedLayersTest, GiveWhatIsKnownOfEachLayer) {
  EXPECT_EQ(layers_.layer_count(), 2u);
  const auto index = layers_.Index(0);
  ASSERT_TRUE(index) << index.error().message();
  EXPECT_EQ(index->size(), 2u);
  const auto layer = layers_.Open(0);
  ASSERT_TRUE(layer) << layer.error().message();
  EXPECT_EQ(layer->blob->size(), image_.manifest.layers[0].size);
  EXPECT_EQ(layer->spans->size() % 512, 0u);
}

TEST_F(CachedLayersTest, GiveATreeForAnyNumberOfThem) {
  const auto shows = [&](size_t layers, const char* path) {
    return (*layers_.Tree(layers))->Resolve(path).has_value();
  };
  EXPECT_FALSE(shows(0, "b"));
  EXPECT_TRUE(shows(1, "a"));
  EXPECT_FALSE(shows(2, "a"));
  EXPECT_TRUE(shows(2, "b"));
  EXPECT_NE(layers_.TreeKey(1), layers_.TreeKey(2));
  EXPECT_TRUE(std::filesystem::exists(cache_.TreePath(layers_.TreeKey(2))));
}

TEST_F(CachedLayersTest, HaveNoLayerBeyondTheLast) {
  EXPECT_EQ(layers_.Index(2).error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(layers_.Open(2).error().code(), ErrorCode::kCorrupt);
  layers_.WillReread(2, {});  // does nothing
}

TEST_F(CachedLayersTest, GiveLayersThatMayOutliveThem) {
  auto layers = std::make_unique<CachedLayers>(cache_, image_);
  const auto layer = layers->Open(0);
  layers.reset();
  ASSERT_TRUE(layer);
  std::string out(layer->spans->span(0).length, '\0');
  const auto decoder =
      SpanDecoder::Start(*layer->spans, 0, *layer->blob, layer->frames.get(),
                         std::as_writable_bytes(std::span(out)));
  ASSERT_TRUE(decoder);
  EXPECT_TRUE((*decoder)->DecodeTo(out.size()));
  EXPECT_EQ(out.substr(512, 3), "one");
}

}  // namespace
}  // namespace imgmount
