// SPDX-License-Identifier: Apache-2.0
#include "meta/report/inspect.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "meta/store/layer_store.h"
#include "meta/store/mount_record.h"
#include "meta/template/go_json.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::TarBuilder;

constexpr char kConfig[] = R"({
  "created":"2024-02-15T00:00:00.120+00:00","author":"me","architecture":"arm64",
  "variant":"v8","os":"linux","os.version":"1.2",
  "history":[{"comment":"first"},{"comment":"last"}],
  "config":{"StopSignal":"SIGQUIT","Cmd":["nginx"],"Env":["A=b&c"],
    "Labels":{"z":"1","a":"2"},"ExposedPorts":{"80/tcp":{},"443/tcp":{}},
    "User":"","WorkingDir":"/w","Entrypoint":null,"OnBuild":[],
    "Volumes":{"/v":{}},"Hostname":"x","ArgsEscaped":true,"Shell":["sh"],
    "Healthcheck":{"Retries":3,"Test":["CMD","x"],"Interval":0}}})";

class InspectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    descriptor_ = testing::WriteImage(cache_,
                                      {TarBuilder().File("a", "aaaaa").Build(),
                                       TarBuilder().File("b", "bbb").Build()},
                                      kConfig);
    auto image = cache_.Load(*descriptor_, {"linux", "arm64", "", ""});
    ASSERT_TRUE(image) << image.error().message();
    image_ = *std::move(image);
  }
  nlohmann::ordered_json Inspect(
      const std::optional<Reference>& asked = {}) const {
    const auto inspected = InspectImage(*image_, asked, cache_);
    EXPECT_TRUE(inspected) << inspected.error().message();
    return *inspected;
  }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
  std::optional<Descriptor> descriptor_;
  std::optional<Image> image_;
};

TEST_F(InspectTest, PrintsDockersFieldsInDockersOrder) {
  ASSERT_TRUE(cache_.SetName("docker.io/library/x:1", *descriptor_));
  const std::string expected = fmt::format(
      R"({{
    "Id": "{}",
    "RepoTags": [
        "x:1"
    ],
    "RepoDigests": [
        "x@{}"
    ],
    "Comment": "last",
    "Created": "2024-02-15T00:00:00.12Z",
    "Author": "me",
    "Config": {{
        "ExposedPorts": {{
            "443/tcp": {{}},
            "80/tcp": {{}}
        }},
        "Env": [
            "A=b&c"
        ],
        "Cmd": [
            "nginx"
        ],
        "Volumes": {{
            "/v": {{}}
        }},
        "WorkingDir": "/w",
        "Labels": {{
            "a": "2",
            "z": "1"
        }},
        "StopSignal": "SIGQUIT",
        "ArgsEscaped": true,
        "Healthcheck": {{
            "Test": [
                "CMD",
                "x"
            ],
            "Retries": 3
        }},
        "Shell": [
            "sh"
        ]
    }},
    "Architecture": "arm64",
    "Variant": "v8",
    "Os": "linux",
    "OsVersion": "1.2",
    "Size": {},
    "GraphDriver": {{
        "Data": null,
        "Name": "imgmount"
    }},
    "RootFS": {{
        "Type": "layers",
        "Layers": [
            "{}",
            "{}"
        ]
    }},
    "Metadata": {{
        "LastTagTime": "0001-01-01T00:00:00Z"
    }}
}})",
      image_->manifest.config.digest.text(), descriptor_->digest.text(),
      image_->manifest.layers[0].size + image_->manifest.layers[1].size,
      image_->config.diff_ids[0].text(), image_->config.diff_ids[1].text());
  EXPECT_EQ(GoJson(Inspect(), 4, false), expected);
}

TEST_F(InspectTest, CountsContentsOnceAllLayersAreIndexed) {
  const auto index = [&](size_t i) {
    ASSERT_TRUE(LoadIndex(cache_, image_->manifest.layers[i],
                          image_->config.diff_ids[i]));
  };
  const auto published = Inspect()["Size"];
  index(0);
  EXPECT_EQ(Inspect()["Size"], published);
  index(1);
  EXPECT_EQ(Inspect()["Size"], 8);
}

TEST_F(InspectTest, TellsWhereTheImageIsMounted) {
  EXPECT_EQ(Inspect()["GraphDriver"].dump(),
            R"({"Data":null,"Name":"imgmount"})");
  const auto a = MountRecord::Hold(cache_, image_->manifest_digest, "/mnt/a");
  const auto b = MountRecord::Hold(cache_, image_->manifest_digest, "/mnt/b");
  const auto other = MountRecord::Hold(cache_, DigestOf("other"), "/mnt/c");
  EXPECT_EQ(Inspect()["GraphDriver"].dump(),
            R"({"Data":{"MergedDir":"/mnt/a:/mnt/b"},"Name":"imgmount"})");
}

TEST_F(InspectTest, HasTheDescriptorWhereTheIdIsItsDigest) {
  EXPECT_FALSE(Inspect().contains("Descriptor"));
  const auto json = InspectImage(*image_, {}, cache_, IdKind::kManifest);
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["Id"], descriptor_->digest.text());
  EXPECT_EQ(
      (*json)["Descriptor"].dump(),
      fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}}})",
                  kOciManifest, descriptor_->digest.text(), descriptor_->size));
}

TEST_F(InspectTest, ListsEveryNameOnceWithTheOneAskedFor) {
  ASSERT_TRUE(cache_.SetName("docker.io/library/x:1", *descriptor_));
  ASSERT_TRUE(cache_.SetName("docker.io/library/x:2", *descriptor_));
  ASSERT_TRUE(cache_.SetName("localhost:5000/y:1", *descriptor_));
  ASSERT_TRUE(cache_.SetName("a-tag-alone", *descriptor_));
  const std::string digest = descriptor_->digest.text();
  const auto json = Inspect(*Reference::Parse("x:3"));
  EXPECT_THAT(json["RepoTags"], ::testing::ElementsAre(
                                    "x:1", "x:2", "localhost:5000/y:1", "x:3"));
  EXPECT_THAT(
      json["RepoDigests"],
      ::testing::ElementsAre("x@" + digest, "localhost:5000/y@" + digest));
  EXPECT_EQ(Inspect(*Reference::Parse("x:1"))["RepoTags"].size(), 3u);
}

TEST_F(InspectTest, HasNoTagForAnImageFoundByItsDigest) {
  const auto json =
      Inspect(*Reference::Parse("x@" + descriptor_->digest.text()));
  EXPECT_TRUE(json["RepoTags"].is_array());
  EXPECT_TRUE(json["RepoTags"].empty());
  EXPECT_EQ(json["RepoDigests"].size(), 1u);
}

TEST_F(InspectTest, LeavesOutWhatAnImageDoesNotSay) {
  const auto image =
      cache_.Load(testing::WriteImage(cache_, std::vector<std::string>()),
                  {"linux", "amd64", "", ""});
  ASSERT_TRUE(image);
  const auto json = *InspectImage(*image, {}, cache_);
  for (const char* key :
       {"Comment", "Created", "Author", "Variant", "OsVersion"}) {
    EXPECT_FALSE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["Config"].dump(), "{}");
  EXPECT_EQ(json["RootFS"].dump(), R"({"Type":"layers"})");
}

}  // namespace
}  // namespace imgmount
