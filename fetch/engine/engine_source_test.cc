// SPDX-License-Identifier: Apache-2.0
#include "fetch/engine/engine_source.h"

#include <gtest/gtest.h>

#include "tests/support/fake_registry.h"
#include "tests/support/hostile_json.h"
#include "tests/support/http_server.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::HttpServer;

TEST(EngineSource, AHostileAnswerAboutAnImageIsNoAnswer) {
  const testing::TestImage image({});
  ResolvedImage known{
      *Image::Make(image.manifest, kOciManifest, image.config, {},
                   DigestAlgorithm::kSha256),
      {.media_type = kOciManifest, .digest = image.manifest_digest()}};
  std::string member;
  HttpServer engine([&](const HttpServer::Request&) {
    return HttpServer::Reply{.body = R"({"Id":")" +
                                     known.image.manifest.config.digest.text() +
                                     R"(","x":)" + member + "}"};
  });
  const testing::TemporaryFolder scratch;
  EngineAddress address;
  address.name = engine.authority();
  address.root = "http://" + engine.authority();
  EngineSource source(address, "app:1", scratch.path(), {});
  const auto is_known = [&](std::string text) {
    member = std::move(text);
    const auto known_still = source.StillNames("", known);
    EXPECT_TRUE(known_still) << known_still.error().message();
    return known_still && *known_still;
  };
  EXPECT_TRUE(is_known("0"));
  EXPECT_FALSE(is_known(testing::DeepJson()));
  EXPECT_FALSE(is_known(testing::LargeJson()));
}

}  // namespace
}  // namespace imgmount
