// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() {
    config_.environment.home = folder_.path().string();
    config_.cache_folder = folder_.path() / "cache";
    config_.registries_conf = Write("registries.conf", R"(
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mirror.test/hub"
insecure = true
[[registry]]
prefix = "bad.test"
blocked = true
[aliases]
"tool" = "quay.test/me/tool"
)");
  }
  std::string Write(const std::string& name, const std::string& text) {
    const fs::path path = folder_.path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  std::string Explain(const std::string& image) {
    const auto text = ExplainImage(image, config_);
    return text ? *text : text.error().message();
  }

  const testing::TemporaryFolder folder_;
  FetchConfig config_;
};

TEST_F(ExplainTest, NamesEndpointsLoginsCertificatesAndProxies) {
  // "me:s3cret"
  const std::string logins = Write(".docker/config.json", R"({"auths": {
    "https://index.docker.io/v1/": {"auth": "bWU6czNjcmV0"}}})");
  const std::string ca =
      Write(".config/containers/certs.d/docker.io/ca.crt", "PEM");
  config_.environment.https_proxy = {"HTTPS_PROXY",
                                     "http://user:pr0xy@proxy.test:3128"};
  config_.environment.no_proxy = {"NO_PROXY", "internal.test"};
  EXPECT_EQ(Explain("nginx"),
            "image: docker.io/library/nginx:latest\n"
            "cache: " +
                config_.cache_folder.string() +
                " does not have it\n"
                "endpoint: https://mirror.test/v2/hub/library/nginx, else http "
                "(mirror of \"docker.io\" in " +
                config_.registries_conf +
                ")\n"
                "  login: none, anonymous (looked in /run/containers/" +
                std::to_string(::geteuid()) + "/auth.json, " +
                (folder_.path() / ".config/containers/auth.json").string() +
                ", " + logins + ", " +
                (folder_.path() / ".dockercfg").string() +
                ")\n"
                "  certificates: any (insecure: mirror of \"docker.io\" in " +
                config_.registries_conf +
                ")\n"
                "  proxy: http://proxy.test:3128 (HTTPS_PROXY), unless "
                "NO_PROXY names "
                "the host (internal.test)\n"
                "endpoint: https://registry-1.docker.io/v2/library/nginx "
                "([[registry]] of \"docker.io\" in " +
                config_.registries_conf +
                ")\n"
                "  login: password of https://index.docker.io/v1/ in " +
                logins +
                "\n"
                "  certificates: the system's CAs and those of " +
                fs::path(ca).parent_path().string() +
                "\n"
                "  proxy: http://proxy.test:3128 (HTTPS_PROXY), unless "
                "NO_PROXY names "
                "the host (internal.test)\n");
  EXPECT_FALSE(fs::exists(config_.cache_folder)) << "nothing is made";
}

TEST_F(ExplainTest, SaysWhatAShortNameStandsFor) {
  EXPECT_THAT(Explain("tool:1"),
              HasSubstr("image: quay.test/me/tool:1 (alias tool in " +
                        config_.registries_conf + ")\n"));
  EXPECT_THAT(Explain("docker://tool:1"),
              HasSubstr("image: docker.io/library/tool:1\n"));
}

TEST_F(ExplainTest, TellsAHelperAndAnOptionWithoutSecrets) {
  Write(".docker/config.json", R"({"credHelpers": {"r.test": "pass"}})");
  EXPECT_THAT(Explain("r.test/x"),
              HasSubstr("login: what docker-credential-pass has for r.test"));
  config_.creds = "me:s3cret";
  const std::string text = Explain("r.test/x");
  EXPECT_THAT(text, HasSubstr("login: password of r.test in --creds"));
  EXPECT_THAT(text, Not(HasSubstr("s3cret")));
}

TEST_F(ExplainTest, WhatIsBlockedIsAnError) {
  EXPECT_THAT(Explain("bad.test/x"),
              HasSubstr("bad.test is blocked by " + config_.registries_conf));
}

TEST_F(ExplainTest, AFileIsNoRegistrys) {
  EXPECT_EQ(Explain("oci:dir:tag"),
            "oci:dir:tag: on this machine; no registry is asked\n");
}

}  // namespace
}  // namespace imgmount
