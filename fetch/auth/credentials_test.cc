// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/credentials.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/hostile_json.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"
#include "tests/support/test_io.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

class CredentialsTest : public ::testing::Test {
 protected:
  fs::path Write(const std::string& name, const std::string& text) {
    const fs::path path = folder_.path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }
  // A file with one login for r.io, without a password.
  fs::path WriteLogin(const std::string& name, const std::string& user) {
    return Write(
        name,
        fmt::format(R"({{"auths":{{"r.io":{{"username":"{}"}}}}}})", user));
  }
  void WriteHelper(const std::string& name, const std::string& script) {
    const fs::path path =
        Write("bin/docker-credential-" + name, "#!/bin/sh\n" + script);
    fs::permissions(path, fs::perms::owner_all);
    io_.env["PATH"] = "/nowhere::" + path.parent_path().string();
  }
  Result<std::optional<Credential>> Find(const Endpoint& endpoint = {
                                             .registry = "r.io",
                                             .repository = "team/x"}) {
    IMGMOUNT_TRY(
        const Credentials credentials,
        Credentials::Load(options_, FetchEnvironment::Read(io_.io.env)));
    return credentials.Find(endpoint);
  }
  std::string User() {
    const auto found = Find();
    if (!found) return "error: " + found.error().message();
    return *found ? (*found)->user : "none";
  }

  const testing::TemporaryFolder folder_;
  testing::TestIo io_;
  Credentials::Options options_;
};

TEST_F(CredentialsTest, TheFirstFileThatHasALoginDecides) {
  const std::string top = folder_.path().string();
  EXPECT_EQ(User(), "none");
  io_.env["HOME"] = top;
  Write(".dockercfg", R"({"r.io":{"username":"old docker"}})");
  EXPECT_EQ(User(), "old docker");
  WriteLogin(".docker/config.json", "docker home");
  EXPECT_EQ(User(), "docker home");
  WriteLogin("elsewhere/config.json", "docker config");
  io_.env["DOCKER_CONFIG"] = top + "/elsewhere";
  EXPECT_EQ(User(), "docker config");
  WriteLogin(".config/containers/auth.json", "home");
  EXPECT_EQ(User(), "home");
  WriteLogin("xdg/containers/auth.json", "xdg config");
  io_.env["XDG_CONFIG_HOME"] = top + "/xdg";
  EXPECT_EQ(User(), "xdg config");
  WriteLogin("run/containers/auth.json", "runtime");
  io_.env["XDG_RUNTIME_DIR"] = top + "/run";
  EXPECT_EQ(User(), "runtime");
  Write("run/containers/auth.json", "{}");
  EXPECT_EQ(User(), "xdg config");
  io_.env["REGISTRY_AUTH_FILE"] = WriteLogin("named.json", "named").string();
  EXPECT_EQ(User(), "named");
  options_.authfile = WriteLogin("option.json", "option").string();
  EXPECT_EQ(User(), "option");
  options_.creds = "me:secret:word";
  EXPECT_EQ(**Find(), (Credential{"me", "secret:word"}));
}

TEST_F(CredentialsTest, ANamedFileIsTheOnlyOne) {
  io_.env["HOME"] = folder_.path().string();
  WriteLogin(".docker/config.json", "docker");
  io_.env["REGISTRY_AUTH_FILE"] = Write("empty.json", "{}").string();
  EXPECT_EQ(User(), "none");
  options_.authfile = "/nowhere/auth.json";
  EXPECT_EQ(User(), "error: /nowhere/auth.json: no such file");
}

TEST_F(CredentialsTest, TheOptionIsNotForMirrors) {
  options_.creds = "me:secret";
  EXPECT_TRUE(*Find({.registry = "r.io", .repository = "x"}));
  EXPECT_FALSE(
      *Find({.registry = "mirror.io", .repository = "x", .mirror = true}));
}

TEST_F(CredentialsTest, AHelperIsAskedForTheRegistry) {
  options_.authfile =
      Write("auth.json", R"({"credHelpers":{"r.io":"test"}})").string();
  WriteHelper("test", R"(
[ "$#" = 1 ] && [ "$1" = get ] || exit 3
read -r registry
printf '{"ServerURL":"%s","Username":"me","Secret":"for %s"}' x "$registry"
)");
  // read needs the newline that no client sends; its variable is set anyway.
  const auto found = Find();
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(**found, (Credential{"me", "for r.io"}));
}

TEST_F(CredentialsTest, AHelpersTokenIsAnIdentityToken) {
  options_.authfile = Write("auth.json", R"({"credsStore":"test"})").string();
  WriteHelper("test", R"(echo '{"Username":"<token>","Secret":"refresh"}')");
  EXPECT_EQ((*Find())->identity_token, "refresh");
}

TEST_F(CredentialsTest, AHelperWithoutALoginGivesWayToTheNextFile) {
  io_.env["HOME"] = folder_.path().string();
  Write(".config/containers/auth.json", R"({"credsStore":"test"})");
  WriteHelper("test", "echo credentials not found in native keychain; exit 1");
  EXPECT_EQ(User(), "none");
  WriteLogin(".docker/config.json", "docker");
  EXPECT_EQ(User(), "docker");
}

TEST_F(CredentialsTest, HelpersOfRegistriesConfGoInTheirOrder) {
  io_.env["HOME"] = folder_.path().string();
  WriteLogin(".docker/config.json", "docker");
  options_.helpers_file = "registries.conf";
  WriteHelper("test", R"(read -r registry
echo "{\"Username\":\"helper of $registry\",\"Secret\":\"x\"}")");
  options_.helpers = {"test", Credentials::kAuthFiles};
  EXPECT_EQ(User(), "helper of r.io");
  options_.helpers = {Credentials::kAuthFiles, "test"};
  EXPECT_EQ(User(), "docker");
  options_.helpers = {"test", Credentials::kAuthFiles};
  WriteHelper("test", "echo credentials not found in native keychain; exit 1");
  EXPECT_EQ(User(), "docker");
  options_.helpers = {"test"};
  EXPECT_EQ(User(), "none");
}

TEST_F(CredentialsTest, AHelperThatFailsIsTold) {
  options_.authfile = Write("auth.json", R"({"credsStore":"test"})").string();
  EXPECT_EQ(User(),
            "error: docker-credential-test: credential helper not found in "
            "PATH");
  WriteHelper("test", "echo the keyring is locked; exit 1");
  EXPECT_THAT(User(), AllOf(HasSubstr("docker-credential-test"),
                            HasSubstr("the keyring is locked")));
  WriteHelper("test", "echo '{\"Secret\":\"s3cret\"}'");
  EXPECT_THAT(User(), AllOf(HasSubstr("no readable answer for r.io"),
                            Not(HasSubstr("s3cret"))));
}

TEST_F(CredentialsTest, AHostileHelpersAnswerIsRefused) {
  options_.authfile = Write("auth.json", R"({"credsStore":"test"})").string();
  const auto answered = [&](const std::string& member) {
    const fs::path answer =
        Write("answer", R"({"Username":"u","Secret":"s","x":)" + member + "}");
    WriteHelper("test", "/bin/cat '" + answer.string() + "'");
    return User();
  };
  EXPECT_EQ(answered("0"), "u");
  EXPECT_THAT(answered(testing::DeepJson()), HasSubstr("no readable answer"));
  EXPECT_THAT(answered(testing::LargeJson()), HasSubstr("no readable answer"));
}

TEST_F(CredentialsTest, AHelpersNameIsNoPath) {
  WriteHelper("test", "echo '{\"Username\":\"u\",\"Secret\":\"s\"}'");
  options_.authfile =
      Write("auth.json", R"({"credsStore":"x/../../bin/test"})").string();
  EXPECT_THAT(User(), HasSubstr("not found in PATH"));
}

TEST_F(CredentialsTest, AnOptionWithoutAUserIsRefused) {
  options_.creds = ":secret";
  EXPECT_EQ(User(), "error: --creds wants USER:PASSWORD");
}

}  // namespace
}  // namespace imgmount
