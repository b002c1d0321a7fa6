// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/hosts_toml.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"
#include "tests/support/test_io.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

class HostsTomlTest : public ::testing::Test {
 protected:
  HostsTomlTest() { io_.env["HOME"] = home_.path().string(); }

  fs::path Write(const std::string& name, const std::string& text) {
    const fs::path path = home_.path() / ".config/containerd/certs.d" / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }
  std::vector<Endpoint> Find(const std::string& image) {
    auto found = EndpointsOfHostsToml(*Reference::Parse(image),
                                      FetchEnvironment::Read(io_.io.env));
    EXPECT_TRUE(found) << found.error().message();
    if (!found || !*found) return {};
    return **std::move(found);
  }

  const testing::TemporaryFolder home_;
  testing::TestIo io_;
};

TEST_F(HostsTomlTest, HostsGoInTheirOrderAndTheServerLast) {
  const fs::path path = Write("docker.io/hosts.toml", R"(
server = "https://registry-1.docker.io"
[host."https://z.example.com"]
  capabilities = ["pull"]
  ca = "z.crt"
[host."http://a.example.com:5000/hub/"]
  skip_verify = true
  [host."http://a.example.com:5000/hub/".header]
    x-key = "secret"
[host."https://b.example.com/v2/proxy"]
  override_path = true
  client = [["b.cert", "b.key"]]
)");
  Write("docker.io/z.crt", "PEM");
  const auto found = Find("nginx");
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].registry, "z.example.com");
  EXPECT_EQ(found[0].repository, "library/nginx");
  EXPECT_EQ(found[0].api_root, "/v2");
  EXPECT_EQ(found[0].name_space, "docker.io");
  EXPECT_EQ(found[0].tls.authorities, "PEM\n");
  EXPECT_TRUE(found[0].mirror && found[0].can_pull && !found[0].can_resolve);
  EXPECT_EQ(found[0].source,
            "[host.\"https://z.example.com\"] in " + path.string());
  EXPECT_EQ(found[1].registry, "a.example.com:5000");
  EXPECT_EQ(found[1].api_root, "/hub/v2");
  EXPECT_TRUE(found[1].insecure);
  EXPECT_THAT(found[1].headers, ElementsAre("x-key: secret"));
  EXPECT_EQ(found[2].api_root, "/v2/proxy");
  EXPECT_EQ(found[2].tls.client_certificate,
            (path.parent_path() / "b.cert").string());
  EXPECT_EQ(found[2].tls.client_key, (path.parent_path() / "b.key").string());
  EXPECT_EQ(found[3].registry, "docker.io");
  EXPECT_FALSE(found[3].mirror);
  EXPECT_EQ(found[3].name_space, "");
}

TEST_F(HostsTomlTest, TheDefaultIsForRegistriesWithoutAFile) {
  Write("_default/hosts.toml", "[host.\"https://all.test\"]\n");
  Write("r.test/hosts.toml", "[host.\"https://one.test\"]\n");
  EXPECT_EQ(Find("r.test/x")[0].registry, "one.test");
  const auto others = Find("other.test/x");
  ASSERT_EQ(others.size(), 2u);
  EXPECT_EQ(others[0].registry, "all.test");
  EXPECT_EQ(others[0].name_space, "other.test");
  EXPECT_EQ(others[1].registry, "other.test");
}

TEST_F(HostsTomlTest, NoFileIsNothing) {
  EXPECT_TRUE(Find("x.test/y").empty());
}

TEST_F(HostsTomlTest, MistakesAreToldWithFileAndLine) {
  const std::map<std::string, std::string> cases = {
      {"[host\n", "line 1"},
      {"host = 5", "line 1: host is not a table"},
      {"server = 5", "line 1: server is not a string"},
      {"server = \"ftp://x\"", "ftp://x"},
      {"[host.\"https://a\"]\nskip_verify = 1",
       "line 2: skip_verify is not true or false"},
      {"[host.\"https://a\"]\nca = \"none.crt\"", "none.crt"},
      {"[host.\"https://a\"]\ncapabilities = [1]", "not an array of strings"},
  };
  for (const auto& [text, message] : cases) {
    const auto parsed = ParseHostsToml(text, "/etc/x/hosts.toml",
                                       *Reference::Parse("r.test/x"));
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message(),
                AllOf(HasSubstr("/etc/x/hosts.toml: "), HasSubstr(message)));
  }
}

}  // namespace
}  // namespace imgmount
