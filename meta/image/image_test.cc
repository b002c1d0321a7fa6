// SPDX-License-Identifier: Apache-2.0
#include "meta/image/image.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

using ::testing::HasSubstr;

const std::string kDiff = "sha256:" + std::string(64, 'd');

std::string ConfigJson(const std::string& diff_ids) {
  return fmt::format(R"({{"os":"linux","architecture":"arm64","variant":"v8",
    "created":"2024-01-02T03:04:05Z","author":"me","config":{{"Env":["A=b"]}},
    "rootfs":{{"type":"layers","diff_ids":[{}]}},
    "history":[{{"created":"2024-01-02T03:04:05Z","created_by":"RUN x",
                 "comment":"c","author":"a"}},
               {{"created_by":"CMD y","empty_layer":true}}]}})",
                     diff_ids);
}

std::string ManifestJson(const std::string& config, size_t layers) {
  std::string list;
  for (size_t i = 0; i < layers; ++i) {
    if (i > 0) list += ',';
    list += fmt::format(
        R"({{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",
             "digest":"sha256:{:064x}","size":5}})",
        i);
  }
  return fmt::format(
      R"({{"schemaVersion":2,"config":{{"digest":"{}","size":{}}},
          "layers":[{}]}})",
      DigestOf(config).text(), config.size(), list);
}

TEST(ImageConfig, IsReadWhole) {
  const std::string json = ConfigJson('"' + kDiff + '"');
  const auto config = ImageConfig::Parse(json);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->json, json);
  EXPECT_EQ(config->platform.Text(), "linux/arm64/v8");
  EXPECT_EQ(config->created, "2024-01-02T03:04:05Z");
  EXPECT_EQ(config->author, "me");
  ASSERT_EQ(config->diff_ids.size(), 1u);
  EXPECT_EQ(config->diff_ids[0].text(), kDiff);
  ASSERT_EQ(config->history.size(), 2u);
  EXPECT_EQ(config->history[0],
            (HistoryEntry{"2024-01-02T03:04:05Z", "RUN x", "a", "c", false}));
  EXPECT_EQ(config->history[1], (HistoryEntry{"", "CMD y", "", "", true}));
}

TEST(ImageConfig, NeedsOnlyItsDiffIds) {
  const auto config = ImageConfig::Parse(R"({"rootfs":{"diff_ids":null}})");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_TRUE(config->diff_ids.empty());
  EXPECT_TRUE(config->history.empty());
}

TEST(ImageConfig, NamesTheFieldThatIsWrong) {
  const auto error = [](const char* json) {
    const auto config = ImageConfig::Parse(json);
    EXPECT_FALSE(config);
    EXPECT_EQ(config.error().code(), ErrorCode::kCorrupt);
    return config.error().message();
  };
  EXPECT_EQ(error("{}"), "image config: rootfs: is missing");
  EXPECT_EQ(error(R"({"rootfs":[]})"),
            "image config: rootfs: must be an object");
  EXPECT_THAT(error(R"({"rootfs":{"diff_ids":["x"]}})"),
              HasSubstr("image config: rootfs.diff_ids: malformed digest"));
  EXPECT_EQ(error(R"({"rootfs":{},"history":[{"empty_layer":1}]})"),
            "image config: history[0].empty_layer: must be true or false");
}

TEST(Image, HoldsTogether) {
  const std::string config = ConfigJson('"' + kDiff + '"');
  const std::string manifest = ManifestJson(config, 1);
  const auto image = Image::Make(manifest, kOciManifest, config);
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->manifest_json, manifest);
  EXPECT_EQ(image->manifest_digest, DigestOf(manifest));
  EXPECT_EQ(image->published_digest(), image->manifest_digest);
  EXPECT_EQ(image->config.diff_ids.size(), 1u);
}

TEST(Image, IsPublishedUnderItsIndex) {
  const std::string config = ConfigJson("");
  const Digest index = DigestOf("index");
  const auto image =
      Image::Make(ManifestJson(config, 0), kOciManifest, config, index);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->published_digest(), index);
}

TEST(Image, WithoutAsManyDiffIdsAsLayersIsRefusedWithBothNumbers) {
  const std::string config = ConfigJson('"' + kDiff + '"');
  for (const size_t layers : {0, 2}) {
    const auto image =
        Image::Make(ManifestJson(config, layers), kOciManifest, config);
    ASSERT_FALSE(image);
    EXPECT_EQ(image.error().code(), ErrorCode::kCorrupt);
    EXPECT_EQ(image.error().message(),
              fmt::format("the manifest has {} layers and the config has 1 "
                          "diff IDs; they must be as many",
                          layers));
  }
}

TEST(Image, NeedNotHaveAHistoryThatFits) {
  // Two steps, one of them with a layer, but three layers.
  const std::string three = fmt::format(R"("{0}","{0}","{0}")", kDiff);
  const std::string config = ConfigJson(three);
  EXPECT_TRUE(Image::Make(ManifestJson(config, 3), kOciManifest, config));
}

TEST(Image, OfAnotherConfigIsRefused) {
  const std::string config = ConfigJson("");
  std::string other = config;
  other[config.find("arm64")] = 'A';
  const auto image = Image::Make(ManifestJson(config, 0), kOciManifest, other);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(image.error().message(), HasSubstr(DigestOf(config).text()));
  EXPECT_THAT(image.error().message(), HasSubstr(DigestOf(other).text()));
}

TEST(Image, OfAnIndexIsRefused) {
  const auto image =
      Image::Make(R"({"schemaVersion":2,"manifests":[]})", "", "{}");
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace imgmount
