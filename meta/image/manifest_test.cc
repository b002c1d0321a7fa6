// SPDX-License-Identifier: Apache-2.0
#include "meta/image/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

using ::testing::HasSubstr;

const std::string kA = "sha256:" + std::string(64, 'a');
const std::string kB = "sha256:" + std::string(64, 'b');

std::string ManifestJson(const std::string& extra = "") {
  return fmt::format(R"({{"schemaVersion": 2, {}
    "config": {{"mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": "{}", "size": 7}},
    "layers": [{{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                 "digest": "{}", "size": 42, "annotations": {{"k": "v"}},
                 "urls": ["https://example.com/x"]}}],
    "annotations": {{"org.example": "yes"}}}})",
                     extra, kA, kB);
}

std::string ErrorOf(const std::string& json, std::string_view type = "") {
  const auto parsed = ParseManifestOrIndex(json, type);
  return parsed ? "" : parsed.error().message();
}

TEST(Manifest, IsReadWhole) {
  const auto parsed = ParseManifestOrIndex(ManifestJson(), kOciManifest);
  ASSERT_TRUE(parsed) << parsed.error().message();
  const auto& manifest = std::get<Manifest>(*parsed);
  EXPECT_EQ(manifest.media_type, kOciManifest);
  EXPECT_EQ(manifest.config.digest.text(), kA);
  EXPECT_EQ(manifest.config.size, 7u);
  ASSERT_EQ(manifest.layers.size(), 1u);
  EXPECT_EQ(manifest.layers[0].size, 42u);
  EXPECT_EQ(manifest.layers[0].annotations.at("k"), "v");
  EXPECT_EQ(manifest.layers[0].urls.at(0), "https://example.com/x");
  EXPECT_EQ(manifest.annotations.at("org.example"), "yes");
}

TEST(Manifest, HasTheTypeThatItTellsElseTheOneItWasServedWith) {
  const std::string docker =
      fmt::format(R"("mediaType": "{}",)", kDockerManifest);
  const auto type = [](const std::string& json, std::string_view served) {
    return std::get<Manifest>(*ParseManifestOrIndex(json, served)).media_type;
  };
  EXPECT_EQ(type(ManifestJson(docker), ""), kDockerManifest);
  EXPECT_EQ(type(ManifestJson(), ""), kOciManifest);
  EXPECT_EQ(type(ManifestJson(), kDockerManifest), kDockerManifest);
  EXPECT_EQ(type(ManifestJson(), "application/json"), kOciManifest);
  EXPECT_EQ(
      type(ManifestJson(), std::string(kDockerManifest) + " ; charset=utf-8"),
      kDockerManifest);
}

TEST(Manifest, ThatContradictsItsTypeIsRefused) {
  EXPECT_THAT(ErrorOf(ManifestJson(), kOciIndex),
              HasSubstr("contents do not fit the media type"));
  const std::string as_index = fmt::format(R"("mediaType": "{}",)", kOciIndex);
  EXPECT_THAT(ErrorOf(ManifestJson(as_index)),
              HasSubstr("contents do not fit the media type"));
  EXPECT_THAT(ErrorOf(ManifestJson(R"("manifests": [],)")),
              HasSubstr("has both manifests and layers"));
}

TEST(Manifest, WithoutLayersMayLeaveThemOut) {
  const std::string json = fmt::format(
      R"({{"schemaVersion":2,"layers":null,"config":{{"digest":"{}","size":1}}}})",
      kA);
  const auto parsed = ParseManifestOrIndex(json, "");
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_TRUE(std::get<Manifest>(*parsed).layers.empty());
}

TEST(Manifest, NamesTheFieldThatIsWrong) {
  const std::string start = R"({"schemaVersion": 2, "config": )";
  EXPECT_EQ(ErrorOf(start + "{}}"),
            "manifest: config.digest: malformed digest \"\": expected "
            "sha256:<64 hex digits> or sha512:<128 hex digits>");
  EXPECT_EQ(ErrorOf(start + R"({"digest": ")" + kA + R"("}})"),
            "manifest: config.size: is missing");
  EXPECT_EQ(ErrorOf(R"({"schemaVersion": 2, "layers": []})"),
            "manifest: config: is missing");
  EXPECT_EQ(ErrorOf(R"({"schemaVersion": 3, "layers": []})"),
            "manifest: schemaVersion: must be 2");
  EXPECT_EQ(ErrorOf(R"({"schemaVersion": 2})"),
            "manifest: has neither layers nor manifests");
  EXPECT_EQ(ErrorOf("[]"), "manifest: must be a JSON object");
}

TEST(Manifest, OfTooManyLayersIsRefused) {
  std::string layers;
  for (size_t i = 0; i <= kMaxLayers; ++i) {
    layers +=
        fmt::format(R"({}{{"digest":"{}","size":1}})", i == 0 ? "" : ",", kB);
  }
  EXPECT_EQ(
      ErrorOf(fmt::format(
          R"({{"schemaVersion":2,"config":{{"digest":"{}","size":1}},"layers":[{}]}})",
          kA, layers)),
      "manifest: layers: has 1001, more than 1000");
}

TEST(Manifest, OfSchema1SaysWhatToDo) {
  for (const std::string type :
       {"", "application/vnd.docker.distribution.manifest.v1+prettyjws"}) {
    const auto parsed =
        ParseManifestOrIndex(R"({"schemaVersion": 1, "fsLayers": []})", type);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(parsed.error().message(), HasSubstr("re-push it"));
  }
}

TEST(Manifest, OfAnArtifactIsUnsupported) {
  for (const std::string& json :
       {fmt::format(R"({{"schemaVersion":2,"layers":[],"config":{{"mediaType":
          "application/vnd.cncf.helm.config.v1+json","digest":"{}","size":1}}}})",
                    kA),
        std::string(R"({"schemaVersion":2,"mediaType":
          "application/vnd.oci.artifact.manifest.v1+json","blobs":[]})")}) {
    const auto parsed = ParseManifestOrIndex(json, "");
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code(), ErrorCode::kUnsupported);
  }
}

TEST(Index, MayBeEmptyAsGoWritesIt) {
  const auto parsed = ParseManifestOrIndex(
      R"({"schemaVersion":2,"manifests":null})", kOciIndex);
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_TRUE(std::get<Index>(*parsed).manifests.empty());
}

Status CheckType(std::string type) {
  return CheckLayerMediaType(
      {.media_type = std::move(type), .digest = *Digest::Parse(kA)});
}

TEST(LayerMediaType, IsReadableInAllFormsOfTar) {
  for (const char* type :
       {"application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}) {
    EXPECT_TRUE(CheckType(type)) << type;
  }
}

TEST(LayerMediaType, OfOtherKindsIsUnsupported) {
  for (const char* type :
       {"", "application/vnd.in-toto+json", "application/octet-stream",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.oci.image.layer.v1.tar+lz4",
        "application/vnd.oci.image.layer.v1.squashfs"}) {
    const auto status = CheckType(type);
    ASSERT_FALSE(status) << type;
    EXPECT_EQ(status.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(status.error().message(), HasSubstr("layer aaaaaaaaaaaa"));
  }
  EXPECT_THAT(CheckType("application/vnd.oci.image.layer.v1.tar+encrypted")
                  .error()
                  .message(),
              HasSubstr("is encrypted"));
}

}  // namespace
}  // namespace imgmount
