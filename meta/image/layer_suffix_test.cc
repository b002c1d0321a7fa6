// SPDX-License-Identifier: Apache-2.0
#include "meta/image/layer_suffix.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

void ExpectSplit(std::string_view text, std::string_view image,
                 std::optional<size_t> layer) {
  const auto split = ParseLayerSuffix(text);
  ASSERT_TRUE(split) << text;
  EXPECT_EQ(split->image, image) << text;
  EXPECT_EQ(split->layer, layer) << text;
}

TEST(LayerSuffix, IsANumberAfterTheLastAt) {
  ExpectSplit("nginx@3", "nginx", 3);
  ExpectSplit("nginx@0", "nginx", 0);
  ExpectSplit("localhost:5000/a/b:1.2@12", "localhost:5000/a/b:1.2", 12);
  ExpectSplit("oci:/srv/layout:latest@1", "oci:/srv/layout:latest", 1);
}

TEST(LayerSuffix, IsNotADigest) {
  const std::string digest = "x@sha256:" + std::string(64, '1');
  ExpectSplit(digest, digest, std::nullopt);
  ExpectSplit(digest + "@7", digest, 7);
}

TEST(LayerSuffix, IsNotTheNumberOfAnImageInAFile) {
  const std::string second = "docker-archive:images.tar:@1";
  ExpectSplit(second, second, std::nullopt);
  ExpectSplit(second + "@3", second, 3);
}

TEST(LayerSuffix, LeavesOtherTextForTheReferenceParser) {
  for (const char* text : {"", "nginx", "nginx@", "@3", "nginx@-1", "nginx@1x",
                           "nginx@ 1", "a@b"}) {
    ExpectSplit(text, text, std::nullopt);
  }
}

TEST(LayerSuffix, RefusesNumbersThatNoImageHas) {
  for (const char* text : {"nginx@1000", "nginx@99999999999999999999999"}) {
    const auto split = ParseLayerSuffix(text);
    ASSERT_FALSE(split) << text;
    EXPECT_EQ(split.error().code(), ErrorCode::kUsage);
  }
}

TEST(LayersAsOf, CountsTheNamedLayerIn) {
  EXPECT_EQ(*LayersAsOf({"x", std::nullopt}, 5), 5u);
  EXPECT_EQ(*LayersAsOf({"x", 0}, 5), 1u);
  EXPECT_EQ(*LayersAsOf({"x", 4}, 5), 5u);
}

TEST(LayersAsOf, TellsWhichLayersThereAre) {
  const auto missing = LayersAsOf({"x", 5}, 5);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().message(), "x has no layer 5; it has 0 to 4");
  EXPECT_EQ(LayersAsOf({"x", 0}, 0).error().message(),
            "x: the image has no layers");
}

}  // namespace
}  // namespace imgmount
