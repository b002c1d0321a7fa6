// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/registry_client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <optional>

#include "tests/support/http_server.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::HttpServer;
using ::testing::IsEmpty;
using ::testing::Not;
using Reply = HttpServer::Reply;
using Request = HttpServer::Request;

constexpr char kManifest[] = "/v2/app/manifests/1";

Reply Challenge(const std::string& value) {
  return {.status = 401, .headers = {{"WWW-Authenticate", value}}};
}

std::vector<std::string> TargetsOf(const HttpServer& server) {
  std::vector<std::string> targets;
  for (const Request& request : server.requests()) {
    targets.push_back(request.target);
  }
  return targets;
}

class RegistryClientTest : public ::testing::Test {
 protected:
  // Logs in as user:PASSWORD, each at its registry.
  void LogIn(const std::map<std::string, std::string>& passwords) {
    std::string auths;
    for (const auto& [registry, password] : passwords) {
      const std::string basic = BasicAuthorization({"user", password});
      auths +=
          fmt::format(R"({}"{}":{{"auth":"{}"}})", auths.empty() ? "" : ",",
                      registry, basic.substr(basic.find(' ') + 1));
    }
    std::ofstream(folder_.path() / "config.json")
        << fmt::format(R"({{"auths":{{{}}}}})", auths);
    environment_.docker_config = folder_.path().string();
  }
  // Asks for the manifest of app:1.
  Attempt<HttpResponse> Ask(const HttpServer& server,
                            const std::string& creds = "") {
    const Credentials credentials =
        *Credentials::Load({.creds = creds}, environment_);
    RegistryClient client(
        http_, credentials,
        {.registry = server.authority(), .repository = "app"},
        [this](const std::string& text) { warnings_.push_back(text); });
    return client.Fetch({.path = "manifests/1", .what = "app:1"}, 1000);
  }

  const testing::TemporaryFolder folder_;
  FetchEnvironment environment_;
  HttpClient http_;
  std::vector<std::string> warnings_;
};

// A registry that gives out tokens, "Bearer PASSWORD" to who has one.
class TokenRegistry {
 public:
  explicit TokenRegistry(const std::string& address = "127.0.0.1")
      : http([this](const Request& request) { return Answer(request); },
             address) {}

  std::string scope = "repository:app:pull";

 private:
  Reply Answer(const Request& request) {
    const std::string& login = request.Header("authorization");
    if (request.target.starts_with("/token?")) {
      for (const char* password : {"a", "b"}) {
        if (login != BasicAuthorization({"user", password})) continue;
        return {.body = fmt::format(R"({{"token":"{}"}})", password)};
      }
      return {.body = R"({"token":"anonymous"})"};
    }
    if (login.starts_with("Bearer ")) return {.body = login};
    return Challenge(fmt::format(R"(Bearer realm="{}",service="s",scope="{}")",
                                 http.Url("/token"), scope));
  }

 public:
  HttpServer http;  // last: its threads use the rest
};

// Redirects.

class RedirectTest : public RegistryClientTest {
 protected:
  TokenRegistry other_{"127.0.0.2"};
  const HttpServer first_{[this](const Request& request) -> Reply {
    return {.status = 308,
            .headers = {{"Location", other_.http.Url(request.target)}}};
  }};
};

TEST_F(RedirectTest, ToARegistryWithAChallengeOfItsOwn) {
  const auto answer = Ask(first_);
  ASSERT_TRUE(answer) << answer.error().error.message();
  EXPECT_EQ(answer->body, "Bearer anonymous");
  EXPECT_THAT(
      TargetsOf(other_.http),
      ElementsAre(kManifest, "/token?service=s&scope=repository%3Aapp%3Apull",
                  kManifest));
}

TEST_F(RedirectTest, EachLoginIsForItsHostAlone) {
  LogIn({{first_.authority(), "a"}, {other_.http.authority(), "b"}});
  EXPECT_EQ(Ask(first_)->body, "Bearer b");
  LogIn({{first_.authority(), "a"}});
  EXPECT_EQ(Ask(first_)->body, "Bearer anonymous");
  EXPECT_EQ(Ask(first_, "user:a")->body, "Bearer anonymous");
  for (const Request& request : first_.requests()) {
    EXPECT_EQ(request.Header("authorization"), "") << "nobody asked there";
  }
}

TEST_F(RedirectTest, TheTokenIsKeptForTheNextQuestion) {
  const Credentials credentials = *Credentials::Load({}, environment_);
  RegistryClient client(http_, credentials,
                        {.registry = first_.authority(), .repository = "app"},
                        [](const std::string&) {});
  ASSERT_TRUE(client.Fetch({.path = "manifests/1", .what = ""}, 1000));
  const size_t before = other_.http.requests().size();
  ASSERT_TRUE(client.Fetch({.path = "blobs/x", .what = ""}, 1000));
  EXPECT_EQ(other_.http.requests().size(), before + 1);
}

TEST_F(RedirectTest, WhoSaysNoThereIsTakenAtItsWord) {
  int status = 404;
  const HttpServer other(
      [&](const Request&) -> Reply { return {.status = status}; }, "127.0.0.2");
  const HttpServer first([&](const Request& request) -> Reply {
    return {.status = 307,
            .headers = {{"Location", other.Url(request.target)}}};
  });
  auto answer = Ask(first);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, TransportError::Kind::kFinal);
  EXPECT_EQ(answer.error().error.message(),
            fmt::format("{} does not have app:1 ({} sent us there)",
                        other.authority(), first.authority()));
  status = 401;  // without a challenge
  answer = Ask(first);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().error.code(), ErrorCode::kDenied);
  EXPECT_THAT(answer.error().error.message(),
              HasSubstr("`docker login " + other.authority() + "`"));
}

// Credentials that strangers are not told.

class HiddenTest : public RegistryClientTest {
 protected:
  const std::string login_ = BasicAuthorization({"user", "right"});
  int refusal_ = 404;
  std::string challenge_ = "Basic realm=\"r\"";
  const HttpServer server_{[this](const Request& request) -> Reply {
    if (request.Header("authorization") == login_) return {.body = "m"};
    if (request.target == "/v2/") return Challenge(challenge_);
    return {.status = refusal_};
  }};
};

TEST_F(HiddenTest, IsToldToWhoHasALogin) {
  LogIn({{server_.authority(), "right"}});
  for (const int refusal : {403, 404, 401}) {
    refusal_ = refusal;
    const auto answer = Ask(server_);
    ASSERT_TRUE(answer) << refusal << answer.error().error.message();
    EXPECT_EQ(answer->body, "m");
  }
  EXPECT_TRUE(Ask(server_, "user:right"));
}

TEST_F(HiddenTest, StrangersAskOnce) {
  const auto answer = Ask(server_);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(TargetsOf(server_), ElementsAre(kManifest));
}

TEST_F(HiddenTest, AWrongLoginIsCalledSo) {
  LogIn({{server_.authority(), "wrong"}});
  refusal_ = 401;
  const auto answer = Ask(server_);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().error.code(), ErrorCode::kDenied);
  EXPECT_THAT(answer.error().error.message(),
              HasSubstr("wrong user name or password"));
}

TEST_F(HiddenTest, WhereNothingIsAskedForItIsNotThere) {
  const HttpServer open([](const Request& request) -> Reply {
    return {.status = request.target == "/v2/" ? 200 : 404};
  });
  LogIn({{open.authority(), "right"}});
  const auto answer = Ask(open);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().error.code(), ErrorCode::kNotFound);
  EXPECT_THAT(TargetsOf(open), ElementsAre(kManifest, "/v2/"));
  for (const Request& request : open.requests()) {
    EXPECT_EQ(request.Header("authorization"), "");
  }
}

TEST_F(HiddenTest, AnExampleOfAScopeAtTheRootIsNone) {
  const HttpServer server([&](const Request& request) -> Reply {
    if (request.target.starts_with("/token?")) {
      return {.body = R"({"token":"t"})"};
    }
    if (request.Header("authorization") == "Bearer t") return {.body = "m"};
    if (request.target != "/v2/") return {.status = 404};
    return Challenge(fmt::format(
        R"(Bearer realm="http://{}/token",scope="repository:user/image:pull")",
        request.Header("host")));
  });
  LogIn({{server.authority(), "right"}});
  ASSERT_TRUE(Ask(server));
  EXPECT_EQ(TargetsOf(server)[2], "/token?scope=repository%3Aapp%3Apull");
}

// Scopes.

class ScopeTest : public RegistryClientTest {
 protected:
  // Asks in a registry whose challenges name one scope and that wants tokens of
  // another; returns the scopes of the tokens that were asked for.
  std::vector<std::string> Scopes(const std::string& named,
                                  const std::string& wanted,
                                  const std::string& denied = "none") {
    const HttpServer server([&](const Request& request) -> Reply {
      const std::string& target = request.target;
      const size_t scope = target.find("scope=");
      if (scope != std::string::npos) {
        const std::string asked = target.substr(scope + 6);
        if (asked == denied) return {.status = 403};
        return {.body = fmt::format(R"({{"token":"{}"}})", asked)};
      }
      if (request.Header("authorization") == "Bearer " + wanted) {
        return {.body = "m"};
      }
      return Challenge(fmt::format(
          R"(Bearer realm="http://{}/token",error="insufficient_scope"{})",
          request.Header("host"),
          named.empty() ? "" : fmt::format(R"(,scope="{}")", named)));
    });
    last_ = Ask(server);
    std::vector<std::string> scopes;
    for (const std::string& target : TargetsOf(server)) {
      const size_t scope = target.find("scope=");
      if (scope != std::string::npos)
        scopes.push_back(target.substr(scope + 6));
    }
    return scopes;
  }

  static constexpr char kOurs[] = "repository%3Aapp%3Apull";
  std::optional<Attempt<HttpResponse>> last_;
};

TEST_F(ScopeTest, OfTheChallengeGoesFirst) {
  EXPECT_THAT(Scopes("other", "other"), ElementsAre("other"));
  EXPECT_TRUE(*last_);
}

TEST_F(ScopeTest, OursIsTriedWhereThatDoesNotDo) {
  EXPECT_THAT(Scopes("other", kOurs), ElementsAre("other", kOurs));
  EXPECT_TRUE(*last_);
  EXPECT_THAT(Scopes("other", kOurs, /*denied=*/"other"),
              ElementsAre("other", kOurs));
  EXPECT_TRUE(*last_);
}

TEST_F(ScopeTest, NoneIsAskedForTwice) {
  EXPECT_THAT(Scopes("", "never"), ElementsAre(kOurs));
  EXPECT_THAT(Scopes("repository:app:pull", "never"), ElementsAre(kOurs));
  EXPECT_THAT(Scopes("other", "never"), ElementsAre("other", kOurs));
  ASSERT_FALSE(*last_);
  EXPECT_EQ(last_->error().error.code(), ErrorCode::kDenied);
}

// Words.

TEST_F(RegistryClientTest, WarningsArePassedOn) {
  const HttpServer server([](const Request& request) -> Reply {
    const int status = request.target == kManifest ? 200 : 404;
    return {.status = status,
            .headers = {{"Warning", "299 - \"moving \x1b[1msoon\""},
                        {"Warning", "110 proxy \"stale\""}}};
  });
  ASSERT_TRUE(Ask(server));
  EXPECT_THAT(warnings_,
              ElementsAre(server.authority() + ": moving \\x1b[1msoon"));
}

TEST_F(RegistryClientTest, TheRegistrysOwnWordsAreShown) {
  Reply reply{.status = 400,
              .body = R"({"errors":[{"message":"tag is too long"}]})"};
  const HttpServer server([&](const Request&) { return reply; });
  auto answer = Ask(server);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().error.code(), ErrorCode::kUnsupported);
  EXPECT_EQ(answer.error().error.message(),
            server.authority() +
                ": answered 400 when asked for app:1 (tag is too long)");
  reply = {.status = 400,
           .headers = {{"Content-Type", "text/plain; charset=utf-8"}},
           .body = "no \x1b[1msuch\nthing"};
  answer = Ask(server);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().error.message(), HasSubstr("(no \\x1b[1msuch)"));
}

}  // namespace
}  // namespace imgmount
