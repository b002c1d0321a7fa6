// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/auth_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/hostile_json.h"

namespace imgmount {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::optional<AuthEntry> FindEntry(const std::string& json,
                                   const std::string& registry,
                                   const std::string& repository = "x") {
  auto found = FindAuthEntry(json, "config.json", registry, repository);
  EXPECT_TRUE(found) << found.error().message();
  return found ? *found : std::nullopt;
}

std::optional<Credential> Find(const std::string& json,
                               const std::string& registry) {
  const auto entry = FindEntry(json, registry);
  if (!entry) return std::nullopt;
  EXPECT_EQ(entry->helper, "");
  return entry->credential;
}

TEST(AuthFile, HoldsLoginsInAuths) {
  // "user:pass:word"
  const std::string json =
      R"({"auths":{"localhost:5000":{"auth":"dXNlcjpwYXNzOndvcmQ="}}})";
  EXPECT_EQ(Find(json, "localhost:5000"), (Credential{"user", "pass:word"}));
  EXPECT_EQ(Find(json, "localhost:5001"), std::nullopt);
  EXPECT_EQ(Find(json, "localhost"), std::nullopt);
}

TEST(AuthFile, DockerHubHasAKeyOfItsOwn) {
  const std::string json =
      R"({"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"}}})";
  EXPECT_EQ(Find(json, "docker.io"), (Credential{"a", "b"}));
  EXPECT_EQ(Find(json, "quay.io"), std::nullopt);
}

TEST(AuthFile, KeysMayBeUrls) {
  const std::string json =
      R"({"auths":{"https://r.example.com/v2/":{"username":"u","password":"p"}}})";
  EXPECT_EQ(Find(json, "r.example.com"), (Credential{"u", "p"}));
}

TEST(AuthFile, ThePlainNameGoesFirst) {
  const std::string json =
      R"({"auths":{"https://r.io/v1/":{"auth":"b2xkOng="},
                   "r.io":{"auth":"bmV3Ong="}}})";
  EXPECT_EQ(Find(json, "r.io"), (Credential{"new", "x"}));
}

TEST(AuthFile, NoneIsNoError) {
  for (const char* json : {"{}", R"({"auths":{}})", R"({"auths":null})",
                           R"({"auths":{"r.io":{}}})"}) {
    EXPECT_EQ(Find(json, "r.io"), std::nullopt) << json;
  }
}

TEST(AuthFile, AMalformedFileIsNamedWithoutItsSecrets) {
  for (const char* json :
       {"", "[]", R"({"auths":[]})",
        R"({"auths":{"r.io":{"auth":"c2VjcmV0"}}})",
        R"({"auths":{"r.io":{"auth":"!!!secret"}}})", "{secret"}) {
    const auto found = FindAuthEntry(json, "/home/me/config.json", "r.io", "x");
    ASSERT_FALSE(found) << json;
    EXPECT_EQ(found.error().code(), ErrorCode::kUsage);
    EXPECT_THAT(found.error().message(), HasSubstr("/home/me/config.json"));
    EXPECT_THAT(found.error().message(), Not(HasSubstr("secret")));
  }
}

TEST(AuthFile, AHostileFileIsRefused) {
  const auto refusal = [](const std::string& member) {
    const auto found =
        FindAuthEntry(R"({"x":)" + member + "}", "config.json", "r.io", "x");
    if (found) return std::string();
    EXPECT_EQ(found.error().code(), ErrorCode::kUsage);
    return found.error().message();
  };
  EXPECT_EQ(refusal("0"), "");
  EXPECT_THAT(refusal(testing::DeepJson()), HasSubstr("nested deeper than"));
  EXPECT_THAT(refusal(testing::LargeJson()), HasSubstr("more than 1000000"));
}

TEST(AuthFile, TheLongestPathDecides) {
  const std::string json =
      R"({"auths":{"r.io":{"auth":"aG9zdDp4"},
                   "r.io/team":{"auth":"dGVhbTp4"},
                   "r.io/team/app":{"auth":"YXBwOng="}}})";
  const auto user = [&](const std::string& repository) {
    return FindEntry(json, "r.io", repository)->credential.user;
  };
  EXPECT_EQ(user("team/app"), "app");
  EXPECT_EQ(user("team/other/deep"), "team");
  EXPECT_EQ(user("teams"), "host");
  EXPECT_EQ(FindEntry(R"({"auths":{"r.io/team":{"auth":"dGVhbTp4"}}})", "r.io",
                      "other"),
            std::nullopt)
      << "a path's login is not its host's";
}

TEST(AuthFile, AHelperOfTheRegistryGoesFirst) {
  const std::string json =
      R"({"auths":{"r.io":{"auth":"YTpi"}},"credHelpers":{"r.io":"pass"},
          "credsStore":"desktop"})";
  EXPECT_EQ(FindEntry(json, "r.io"), (AuthEntry{"r.io", {}, "pass"}));
}

TEST(AuthFile, TheHelperForEverythingGoesLast) {
  const std::string json =
      R"({"auths":{"r.io":{"auth":"YTpi"},"e.io":{}},"credsStore":"desktop"})";
  EXPECT_EQ(FindEntry(json, "r.io")->helper, "");
  EXPECT_EQ(FindEntry(json, "e.io"), (AuthEntry{"e.io", {}, "desktop"}));
  EXPECT_EQ(FindEntry(json, "docker.io")->key, "https://index.docker.io/v1/");
}

TEST(AuthFile, AnIdentityTokenIsALogin) {
  const auto entry = FindEntry(
      R"({"auths":{"r.io":{"auth":"PHRva2VuPjo=","identitytoken":"refresh"}}})",
      "r.io");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->credential.identity_token, "refresh");
}

TEST(AuthFile, BasicAuthorizationIsBase64) {
  EXPECT_EQ(BasicAuthorization({"Aladdin", "open sesame"}),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

}  // namespace
}  // namespace imgmount
