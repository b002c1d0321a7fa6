// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/url.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

Url Make(const std::string& text) { return *Url::Parse(text); }

TEST(Url, KnowsItsParts) {
  const Url url = Make("https://Registry.example.com/v2/x?sig=secret");
  EXPECT_TRUE(url.secure());
  EXPECT_EQ(url.host(), "Registry.example.com");
  EXPECT_EQ(url.authority(), "Registry.example.com");
  EXPECT_EQ(url.origin(), "https://Registry.example.com:443");
  EXPECT_EQ(Make("http://[::1]:5000/v2/").authority(), "[::1]:5000");
}

TEST(Url, ShowsNoQuery) {
  EXPECT_EQ(
      Make("https://cdn.example.com:444/blob?X-Signature=secret").display(),
      "https://cdn.example.com:444/blob");
}

TEST(Url, OriginsDifferInSchemeHostAndPort) {
  EXPECT_EQ(Make("https://a/x").origin(), Make("https://a:443/y").origin());
  EXPECT_NE(Make("https://a/").origin(), Make("https://b/").origin());
  EXPECT_NE(Make("http://a:80/").origin(), Make("https://a:80/").origin());
  EXPECT_NE(Make("https://a/").origin(), Make("https://a:444/").origin());
}

TEST(Url, RefusesOtherSchemesAndPasswords) {
  EXPECT_FALSE(Url::Parse("file:///etc/passwd"));
  EXPECT_FALSE(Url::Parse("gopher://example.com/"));
  EXPECT_FALSE(Url::Parse("https://user:secret@example.com/"));
  EXPECT_FALSE(Url::Parse("not a url"));
  EXPECT_FALSE(Url::Parse(""));
}

TEST(Url, ResolvesLocations) {
  const Url url = Make("https://a.example.com/v2/x?y=z");
  EXPECT_EQ(url.Resolve("/other")->text(), "https://a.example.com/other");
  EXPECT_EQ(url.Resolve("https://b.example.com/q?r=s")->text(),
            "https://b.example.com/q?r=s");
  EXPECT_EQ(url.Resolve("//c.example.com/d")->text(),
            "https://c.example.com/d");
  EXPECT_FALSE(url.Resolve("file:///etc/passwd"));
}

TEST(Url, TellsLoopbackHosts) {
  for (const char* host : {"localhost", "localhost:5000", "127.0.0.1",
                           "127.1.2.3:80", "[::1]:5000", "[::1]"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"docker.io", "128.0.0.1", "127.0.0.1.example.com",
                           "localhost.evil", "[::2]:5000", "127.0.0.1x"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace imgmount
