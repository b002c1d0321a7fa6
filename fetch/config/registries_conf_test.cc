// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/registries_conf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "tests/support/tar_builder.h"
#include "tests/support/test_io.h"

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<Endpoint> WithoutSource(std::vector<Endpoint> endpoints) {
  for (Endpoint& endpoint : endpoints) endpoint.source.clear();
  return endpoints;
}

std::vector<Endpoint> Endpoints(const std::string& toml,
                                const std::string& image) {
  RegistriesConf conf;
  const auto added = conf.Add(toml, "test.conf");
  EXPECT_TRUE(added) << added.error().message();
  const auto endpoints = conf.EndpointsFor(*Reference::Parse(image));
  EXPECT_TRUE(endpoints);
  return WithoutSource(endpoints ? *endpoints : std::vector<Endpoint>());
}

TEST(RegistriesConf, WithoutAnEntryTheNameIsThePlace) {
  EXPECT_THAT(Endpoints("", "nginx"),
              ElementsAre(Endpoint{"docker.io", "library/nginx"}));
}

TEST(RegistriesConf, MirrorsGoFirst) {
  EXPECT_THAT(
      Endpoints(R"(
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "localhost:5000"
[[registry.mirror]]
location = "mirror.example.com/hub/"
insecure = true
)",
                "nginx:1.25"),
      ElementsAre(
          Endpoint{"localhost:5000", "library/nginx", false, true},
          Endpoint{"mirror.example.com", "hub/library/nginx", true, true},
          Endpoint{"docker.io", "library/nginx"}));
}

TEST(RegistriesConf, TheLongestPrefixDecides) {
  const std::string toml = R"(
[[registry]]
prefix = "example.com/foo"
location = "one.net/a"
[[registry]]
prefix = "example.com/foo/bar"
location = "two.net/b"
[[registry]]
prefix = "*.example.com"
insecure = true
)";
  EXPECT_THAT(Endpoints(toml, "example.com/foo/bar/x"),
              ElementsAre(Endpoint{"two.net", "b/x"}));
  EXPECT_THAT(Endpoints(toml, "example.com/foo/barrel"),
              ElementsAre(Endpoint{"one.net", "a/barrel"}));
  EXPECT_THAT(Endpoints(toml, "example.com/other"),
              ElementsAre(Endpoint{"example.com", "other"}));
  EXPECT_THAT(Endpoints(toml, "a.b.example.com/x"),
              ElementsAre(Endpoint{"a.b.example.com", "x", true}));
}

TEST(RegistriesConf, SomeMirrorsAreForDigestsOnly) {
  const std::string digest = "@sha256:" + std::string(64, 'a');
  const std::string all = R"(
[[registry]]
prefix = "r.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.io"
)";
  EXPECT_EQ(Endpoints(all, "r.io/x").size(), 1u);
  EXPECT_EQ(Endpoints(all, "r.io/x" + digest).size(), 2u);
  const std::string each = R"(
[[registry]]
prefix = "r.io"
[[registry.mirror]]
location = "digests.io"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tags.io"
pull-from-mirror = "tag-only"
)";
  EXPECT_EQ(Endpoints(each, "r.io/x")[0].registry, "tags.io");
  EXPECT_EQ(Endpoints(each, "r.io/x" + digest)[0].registry, "digests.io");
}

TEST(RegistriesConf, ABlockedRegistryIsRefusedByFile) {
  RegistriesConf conf;
  ASSERT_TRUE(conf.Add("[[registry]]\nprefix = \"bad.io\"\nblocked = true",
                       "/etc/x.conf"));
  const auto endpoints = conf.EndpointsFor(*Reference::Parse("bad.io/x"));
  ASSERT_FALSE(endpoints);
  EXPECT_EQ(endpoints.error().code(), ErrorCode::kDenied);
  EXPECT_EQ(
      endpoints.error().message(),
      "bad.io is blocked by /etc/x.conf; remove `blocked = true` there to "
      "allow it");
}

TEST(RegistriesConf, ALaterFileReplacesAnEntry) {
  RegistriesConf conf;
  ASSERT_TRUE(conf.Add("[[registry]]\nprefix = \"r.io\"\nblocked = true", "a"));
  ASSERT_TRUE(
      conf.Add("[[registry]]\nprefix = \"r.io\"\ninsecure = true", "b"));
  const auto endpoints = conf.EndpointsFor(*Reference::Parse("r.io/x"));
  EXPECT_EQ(endpoints->front().source, "[[registry]] of \"r.io\" in b");
  EXPECT_THAT(WithoutSource(*endpoints),
              ElementsAre(Endpoint{"r.io", "x", true}));
}

TEST(RegistriesConf, MistakesAreToldWithTheirLine) {
  const std::map<std::string, std::string> cases = {
      {"[[registry]\n", "line 1"},
      {"[[registry]]\nprefix = 5", "line 2: prefix is not a string"},
      {"[[registry]]\nlocation = \"a\"\ninsecure = \"yes\"",
       "line 3: insecure is not true or false"},
      {"[[registry]]\nblocked = true", "needs a prefix"},
      {"unqualified-search-registries = 5", "not an array of strings"},
      {"unqualified-search-registries = [\"hub\"]", "\"hub\" is no registry"},
      {"[aliases]\nx = \"y\"",
       "line 2: alias x: \"y\" is no registry and name"},
      {"[aliases]\nx = \"q.io/y:1\"", "is no registry and name"},
      {"[registry]\nprefix = \"a\"", "not an array of tables"},
      {"[[registry]]\nlocation = \"https://a\"", "not a URL"},
      {"[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\ninsecure = true",
       "a mirror needs a location"},
  };
  for (const auto& [toml, message] : cases) {
    RegistriesConf conf;
    const auto added = conf.Add(toml, "my.conf");
    ASSERT_FALSE(added) << toml;
    EXPECT_EQ(added.error().code(), ErrorCode::kUsage);
    EXPECT_THAT(added.error().message(), HasSubstr("my.conf: "));
    EXPECT_THAT(added.error().message(), HasSubstr(message));
  }
}

TEST(RegistriesConf, ANameWithoutARegistryIsDockerHubsByDefault) {
  const auto names = RegistriesConf().FullNamesOf("user/app:1");
  ASSERT_EQ(names.size(), 1u);
  EXPECT_EQ(names[0].text, "docker.io/user/app:1");
  EXPECT_EQ(names[0].why, "");
}

TEST(RegistriesConf, SearchRegistriesAndAliasesDecideShortNames) {
  const auto names_of = [](const RegistriesConf& conf,
                           const std::string& name) {
    std::vector<std::string> texts;
    for (const auto& full : conf.FullNamesOf(name)) texts.push_back(full.text);
    return texts;
  };
  RegistriesConf conf;
  ASSERT_TRUE(
      conf.Add("unqualified-search-registries = [\"a.io\", \"b.io\"]\n"
               "[aliases]\n\"tool\" = \"quay.io/me/tool\"\n"
               "\"my/app\" = \"localhost/app\"\n",
               "one.conf"));
  EXPECT_THAT(names_of(conf, "x:1"), ElementsAre("a.io/x:1", "b.io/x:1"));
  EXPECT_THAT(names_of(conf, "tool:2"), ElementsAre("quay.io/me/tool:2"));
  EXPECT_THAT(names_of(conf, "my/app"), ElementsAre("localhost/app"));
  EXPECT_EQ(conf.FullNamesOf("tool")[0].why, "alias tool in one.conf");

  ASSERT_TRUE(
      conf.Add("unqualified-search-registries = [\"c.io\"]\n"
               "[aliases]\ntool = \"\"\n",
               "two.conf"));
  EXPECT_THAT(names_of(conf, "tool"), ElementsAre("c.io/tool"));
}

TEST(RegistriesConf, ALaterFileSaysAnewWhatItSays) {
  RegistriesConf conf;
  EXPECT_EQ(conf.enforcing_file(), "");
  ASSERT_TRUE(
      conf.Add("short-name-mode = \"enforcing\"\n"
               "credential-helpers = [\"one\", \"two\"]\n",
               "1.conf"));
  ASSERT_TRUE(conf.Add("", "2.conf"));
  EXPECT_EQ(conf.enforcing_file(), "1.conf");
  EXPECT_THAT(conf.credential_helpers(), ElementsAre("one", "two"));
  EXPECT_EQ(conf.credential_helpers_file(), "1.conf");
  ASSERT_TRUE(
      conf.Add("short-name-mode = \"permissive\"\n"
               "credential-helpers = [\"three\"]\n",
               "3.conf"));
  EXPECT_EQ(conf.enforcing_file(), "");
  EXPECT_THAT(conf.credential_helpers(), ElementsAre("three"));
  const auto wrong = conf.Add("\nshort-name-mode = \"strict\"", "4.conf");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(),
              HasSubstr("4.conf: line 2: short-name-mode is not"));
}

TEST(RegistriesConf, TheFileIsFoundByOptionThenEnvironmentThenHome) {
  const testing::TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::string& mirror) {
    const auto path = folder.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << "[[registry]]\nprefix = \"r.io\"\n"
                           "[[registry.mirror]]\nlocation = \""
                        << mirror << "\"\n";
    return path.string();
  };
  const std::string option = write("option.conf", "option");
  const std::string variable = write("variable.conf", "variable");
  write(".config/containers/registries.conf", "home");
  write(".config/containers/registries.conf.d/50-more.conf", "drop-in");

  testing::TestIo test;
  const auto mirror = [&](const std::string& path) {
    const auto conf =
        RegistriesConf::Load(path, FetchEnvironment::Read(test.io.env));
    if (!conf) return conf.error().message();
    return conf->EndpointsFor(*Reference::Parse("r.io/x"))->front().registry;
  };
  EXPECT_EQ(mirror(option), "option");
  test.env["CONTAINERS_REGISTRIES_CONF"] = variable;
  EXPECT_EQ(mirror(""), "variable");
  EXPECT_EQ(mirror(option), "option");
  test.env.erase("CONTAINERS_REGISTRIES_CONF");
  test.env["HOME"] = folder.path().string();
  EXPECT_EQ(mirror(""), "drop-in");
  std::filesystem::remove_all(folder.path() /
                              ".config/containers/registries.conf.d");
  EXPECT_EQ(mirror(""), "home");
  EXPECT_THAT(mirror("/nowhere.conf"), HasSubstr("no such registries.conf"));
}

}  // namespace
}  // namespace imgmount
