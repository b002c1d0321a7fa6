// SPDX-License-Identifier: Apache-2.0
#include "meta/image/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

using ::testing::HasSubstr;

const std::string kHex(64, 'a');
const std::string kDigest = "sha256:" + kHex;

struct Good {
  std::string text;
  std::string canonical;
  std::string familiar;
};

void PrintTo(const Good& good, std::ostream* out) { *out << good.text; }

class GoodReference : public testing::TestWithParam<Good> {};

TEST_P(GoodReference, HasDockersForms) {
  const auto reference = Reference::Parse(GetParam().text);
  ASSERT_TRUE(reference) << reference.error().message();
  EXPECT_EQ(reference->Canonical(), GetParam().canonical);
  EXPECT_EQ(reference->Familiar(), GetParam().familiar);
}

TEST_P(GoodReference, IsTheSameWhenItsFormsAreParsedAgain) {
  const auto reference = Reference::Parse(GetParam().text);
  ASSERT_TRUE(reference);
  EXPECT_EQ(*Reference::Parse(reference->Canonical()), *reference);
  EXPECT_EQ(*Reference::Parse(reference->Familiar()), *reference);
}

INSTANTIATE_TEST_SUITE_P(
    All, GoodReference,
    testing::Values(
        Good{"nginx", "docker.io/library/nginx:latest", "nginx:latest"},
        Good{"nginx:1.25", "docker.io/library/nginx:1.25", "nginx:1.25"},
        Good{"user/app", "docker.io/user/app:latest", "user/app:latest"},
        Good{"docker.io/nginx", "docker.io/library/nginx:latest",
             "nginx:latest"},
        Good{"docker.io/library/nginx", "docker.io/library/nginx:latest",
             "nginx:latest"},
        Good{"docker.io/localhost/x", "docker.io/localhost/x:latest",
             "docker.io/localhost/x:latest"},
        Good{"docker.io/a.b/x", "docker.io/a.b/x:latest",
             "docker.io/a.b/x:latest"},
        Good{"index.docker.io/nginx", "docker.io/library/nginx:latest",
             "nginx:latest"},
        Good{"index.docker.io/user/app:v1", "docker.io/user/app:v1",
             "user/app:v1"},
        Good{"localhost/x", "localhost/x:latest", "localhost/x:latest"},
        Good{"localhost", "docker.io/library/localhost:latest",
             "localhost:latest"},
        Good{"localhost:5000", "docker.io/library/localhost:5000",
             "localhost:5000"},
        Good{"localhost:5000/x@" + kDigest, "localhost:5000/x@" + kDigest,
             "localhost:5000/x@" + kDigest},
        Good{"nginx:1.25@" + kDigest, "docker.io/library/nginx:1.25@" + kDigest,
             "nginx:1.25@" + kDigest},
        Good{"nginx@sha512:" + kHex + kHex,
             "docker.io/library/nginx@sha512:" + kHex + kHex,
             "nginx@sha512:" + kHex + kHex},
        Good{"registry.example.com/a/b/c:v1", "registry.example.com/a/b/c:v1",
             "registry.example.com/a/b/c:v1"},
        Good{"127.0.0.1:80/x", "127.0.0.1:80/x:latest",
             "127.0.0.1:80/x:latest"},
        Good{"[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"},
        Good{"[2001:db8::1]/x:1", "[2001:db8::1]/x:1", "[2001:db8::1]/x:1"},
        Good{"Foo/bar", "Foo/bar:latest", "Foo/bar:latest"},
        Good{"a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest",
             "a__b/c--d.e_f:latest"},
        Good{"a---b", "docker.io/library/a---b:latest", "a---b:latest"},
        Good{"x:_tag.with-All_9", "docker.io/library/x:_tag.with-All_9",
             "x:_tag.with-All_9"},
        Good{"x:" + std::string(128, 't'),
             "docker.io/library/x:" + std::string(128, 't'),
             "x:" + std::string(128, 't')},
        Good{"e.x/" + std::string(255, 'r'),
             "e.x/" + std::string(255, 'r') + ":latest",
             "e.x/" + std::string(255, 'r') + ":latest"},
        Good{kHex.substr(1), "docker.io/library/" + kHex.substr(1) + ":latest",
             kHex.substr(1) + ":latest"},
        Good{"user/" + kHex, "docker.io/user/" + kHex + ":latest",
             "user/" + kHex + ":latest"}));

struct Bad {
  std::string text;
  std::string problem;
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.text; }

class BadReference : public testing::TestWithParam<Bad> {};

TEST_P(BadReference, IsRefusedWithWhatIsWrong) {
  const auto reference = Reference::Parse(GetParam().text);
  ASSERT_FALSE(reference) << reference->Canonical();
  EXPECT_EQ(reference.error().code(), ErrorCode::kUsage);
  EXPECT_THAT(reference.error().message(), HasSubstr(GetParam().problem));
  EXPECT_THAT(reference.error().message(),
              HasSubstr("invalid reference format"));
  EXPECT_EQ(reference.error().message().find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadReference,
    testing::Values(
        Bad{"", "empty"},
        Bad{"Nginx", "repository name (library/Nginx) must be lowercase"},
        Bad{"user/App", "repository name (user/App) must be lowercase"},
        Bad{"localhost/App:1", "repository name (App) must be lowercase"},
        Bad{kHex, "an image ID cannot be looked up"},
        Bad{"https://example.com/x", "leave out \"https://\""},
        Bad{"x:", "the tag \"\""}, Bad{"x:.a", "the tag \".a\""},
        Bad{"x:-a", "the tag \"-a\""},
        Bad{"x:a/b", "\"x:a\" is no host[:port]"},
        Bad{"x:a:b", "the tag \"a:b\""},
        Bad{"x:" + std::string(129, 't'), "the tag"},
        Bad{"x@", "malformed digest"}, Bad{"x@sha256:1234", "malformed digest"},
        Bad{"x@md5:1234", "malformed digest"},
        Bad{"x@2", "layers of images, as @N, are for imgmount and imgdiff"},
        Bad{"x@" + kDigest + ":tag", "malformed digest"},
        Bad{"x@sha256:" + std::string(64, 'A'), "malformed digest"},
        Bad{"-x", "the repository name \"-x\""},
        Bad{"x-", "the repository name \"x-\""},
        Bad{"a..b", "the repository name"}, Bad{"a___b", "the repository name"},
        Bad{"a._b", "the repository name"}, Bad{"a//b", "the repository name"},
        Bad{"/a", "the repository name"}, Bad{"a/", "the repository name"},
        Bad{":tag", "the repository name \"\""},
        Bad{"a b", "the repository name"},
        Bad{"../../etc/passwd", "is no host[:port]"},
        Bad{"a/../b", "the repository name"}, Bad{"./a", "is no host[:port]"},
        Bad{"-bad.com/x", "is no host[:port]"},
        Bad{"bad-.com/x", "is no host[:port]"},
        Bad{"a..b/x", "is no host[:port]"},
        Bad{"host:port/x", "is no host[:port]"},
        Bad{"host:/x", "is no host[:port]"}, Bad{"[::1/x", "is no host[:port]"},
        Bad{"[]:5000/x", "is no host[:port]"},
        Bad{"[::g]/x", "is no host[:port]"},
        Bad{"under_score.com/x", "is no host[:port]"},
        Bad{"nginx\n", R"("nginx\x0a")"},
        Bad{std::string("a\0b", 3), R"("a\x00b")"},
        Bad{"\xc3\xa9", R"("\xc3\xa9")"},
        Bad{"e.x/" + std::string(256, 'r'), "more than 255 characters"}));

TEST(Reference, AsksForTheDigestRatherThanTheTag) {
  EXPECT_EQ(Reference::Parse("x:1")->Selector(), "1");
  EXPECT_EQ(Reference::Parse("x")->Selector(), "latest");
  EXPECT_EQ(Reference::Parse("x:1@" + kDigest)->Selector(), kDigest);
}

TEST(Reference, WithADigestOnlyHasNoTag) {
  const auto reference = Reference::Parse("x@" + kDigest);
  ASSERT_TRUE(reference);
  EXPECT_EQ(reference->tag, std::nullopt);
}

TEST(Reference, KeepsLibraryInNamesThatNeedIt) {
  EXPECT_EQ(Reference::Parse("library/a/b")->FamiliarName(), "library/a/b");
  EXPECT_EQ(Reference::Parse("e.x/library/a")->FamiliarName(), "e.x/library/a");
  EXPECT_EQ(Reference::Parse("library/a")->FamiliarName(), "a");
}

}  // namespace
}  // namespace imgmount
