// SPDX-License-Identifier: Apache-2.0
#include "fetch/engine/docker_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "meta/base/digest.h"
#include "tests/support/hostile_json.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class DockerContextTest : public ::testing::Test {
 protected:
  DockerContextTest() { environment_.docker_config = folder_.path().string(); }
  void Write(const fs::path& path, const std::string& text) {
    fs::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << text;
  }
  // Writes what `docker context create` does, with one more member.
  void WriteContext(const std::string& name, const std::string& member) {
    Write(fs::path("contexts/meta") / DigestOf(name).hex() / "meta.json",
          R"({"Endpoints":{"docker":{"Host":"tcp://host:1"}},"x":)" + member +
              "}");
  }

  const testing::TemporaryFolder folder_;
  FetchEnvironment environment_;
};

TEST_F(DockerContextTest, IsTheOneThatDockerUses) {
  WriteContext("there", "0");
  Write("config.json", R"({"currentContext":"there"})");
  const auto context = CurrentDockerContext(environment_);
  ASSERT_TRUE(context) << context.error().message();
  ASSERT_TRUE(*context);
  EXPECT_EQ((*context)->host, "tcp://host:1");
  environment_.docker_context = "default";
  EXPECT_FALSE(*CurrentDockerContext(environment_));
  environment_.docker_context = "elsewhere";
  EXPECT_THAT(CurrentDockerContext(environment_).error().message(),
              HasSubstr("no docker context elsewhere"));
}

TEST_F(DockerContextTest, AHostileConfigNamesNone) {
  WriteContext("there", "0");
  for (const auto& member : {testing::DeepJson(), testing::LargeJson()}) {
    Write("config.json", R"({"currentContext":"there","x":)" + member + "}");
    const auto context = CurrentDockerContext(environment_);
    ASSERT_TRUE(context);
    EXPECT_FALSE(*context);
  }
}

TEST_F(DockerContextTest, AHostileContextIsRefused) {
  environment_.docker_context = "there";
  for (const auto& member : {testing::DeepJson(), testing::LargeJson()}) {
    WriteContext("there", member);
    const auto context = CurrentDockerContext(environment_);
    ASSERT_FALSE(context);
    EXPECT_THAT(context.error().message(), HasSubstr("names no docker host"));
  }
}

}  // namespace
}  // namespace imgmount
