// SPDX-License-Identifier: Apache-2.0
#include "meta/template/go_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace imgmount {
namespace {

TEST(GoJson, IndentsAsGoDoes) {
  const auto json =
      nlohmann::ordered_json::parse(R"({"b":[1,"x"],"a":{},"c":[],"d":null})");
  EXPECT_EQ(GoJson(json, 4, false), R"({
    "b": [
        1,
        "x"
    ],
    "a": {},
    "c": [],
    "d": null
})");
  EXPECT_EQ(GoJson(json, kOneLine, false),
            R"({"b":[1,"x"],"a":{},"c":[],"d":null})");
}

TEST(GoJson, EscapesHtmlWhenAsked) {
  const nlohmann::json json = "<a&b>\u2028\u2029";
  EXPECT_EQ(GoJson(json, kOneLine, true),
            R"("\u003ca\u0026b\u003e\u2028\u2029")");
  EXPECT_EQ(GoJson(json, kOneLine, false), R"("<a&b>\u2028\u2029")");
}

TEST(GoJson, ReplacesWhatIsNoText) {
  EXPECT_EQ(GoJson(nlohmann::json("a\xff"), kOneLine, false),
            "\"a\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace imgmount
