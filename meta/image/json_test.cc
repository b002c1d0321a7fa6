// SPDX-License-Identifier: Apache-2.0
#include "meta/image/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr size_t kLimit = 4 << 20;

std::string ErrorOf(std::string_view text, size_t limit = kLimit) {
  const auto parsed = ParseJson(text, "thing", limit);
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code(), ErrorCode::kCorrupt);
  return parsed.error().message();
}

TEST(ParseJson, TellsWhereTheTextStopsBeingJson) {
  EXPECT_EQ(ErrorOf("{\"a\": tru}"), "thing: not valid JSON at byte 10");
  EXPECT_EQ(ErrorOf(""), "thing: not valid JSON at byte 1");
  EXPECT_EQ(ErrorOf("{} x"), "thing: not valid JSON at byte 4");
}

TEST(ParseJson, RefusesInvalidUtf8) {
  EXPECT_THAT(ErrorOf("\"\xff\""), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf("\"\xed\xa0\x80\""), HasSubstr("not valid JSON"));
}

TEST(ParseJson, RefusesNumbersOutOfRange) {
  EXPECT_EQ(ErrorOf("1e99999"), "thing: not valid JSON");
}

TEST(ParseJson, HoldsItsLimits) {
  EXPECT_EQ(ErrorOf("[1]", 2), "thing: larger than 2 bytes");
  EXPECT_EQ(ErrorOf("[1]", 3), "");
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(ErrorOf(nested(kMaxJsonDepth)), "");
  EXPECT_EQ(ErrorOf(nested(kMaxJsonDepth + 1)),
            "thing: nested deeper than 100 levels");
  EXPECT_EQ(ErrorOf(std::string(kLimit, '[')),
            "thing: nested deeper than 100 levels");
  EXPECT_EQ(ErrorOf("[" + std::string(kMaxJsonValues, ',')),
            "thing: more than 1000000 values");
}

TEST(ParseJson, TakesBracketsInStringsForText) {
  EXPECT_EQ(ErrorOf('"' + std::string(1000, '[') + R"(\"[{")"), "");
}

TEST(ParseOrderedJson, KeepsTheOrderOfKeys) {
  const auto json = ParseOrderedJson(R"({"b":1,"a":2})", "thing", kLimit);
  ASSERT_TRUE(json);
  EXPECT_EQ(json->dump(), R"({"b":1,"a":2})");
}

TEST(StringMember, IsOfAnObjectAndAString) {
  const auto in = [](const char* text) {
    return StringMember(*ParseJson(text, "thing", kLimit), "a");
  };
  EXPECT_EQ(in(R"({"a":"x"})"), "x");
  EXPECT_EQ(in(R"({"a":""})"), "");
  for (const char* text : {R"({"a":1})", R"({"b":"x"})", R"(["a"])", "null"}) {
    EXPECT_EQ(in(text), std::nullopt) << text;
  }
}

class JsonObjectTest : public testing::Test {
 protected:
  const nlohmann::json value_ = nlohmann::json::parse(R"({
    "text": "x", "yes": true, "n": 7, "none": null, "list": ["a", "b"],
    "map": {"k": "v"}, "objects": [{"size": 1}, {"size": -1}],
    "big": 9223372036854775808, "half": 0.5, "mixed": ["a", 1]})");
  const JsonObject object_ = *JsonObject::Of(value_, "doc");
};

TEST_F(JsonObjectTest, ReadsMembersOfTheRightKind) {
  EXPECT_EQ(*object_.String("text"), "x");
  EXPECT_TRUE(*object_.Bool("yes"));
  EXPECT_EQ(*object_.Number("n"), 7u);
  EXPECT_THAT(*object_.Strings("list"), ElementsAre("a", "b"));
  EXPECT_EQ(object_.StringMap("map")->at("k"), "v");
  EXPECT_EQ(*(*object_.Objects("objects"))[0].Number("size"), 1u);
}

TEST_F(JsonObjectTest, TakesNullAndMissingForAbsent) {
  for (const char* key : {"none", "missing"}) {
    EXPECT_FALSE(object_.Has(key));
    EXPECT_EQ(*object_.String(key), "");
    EXPECT_FALSE(*object_.Bool(key));
    EXPECT_EQ(*object_.Number(key), std::nullopt);
    EXPECT_TRUE(object_.Strings(key)->empty());
    EXPECT_TRUE(object_.StringMap(key)->empty());
    EXPECT_TRUE(object_.Objects(key)->empty());
    EXPECT_FALSE(*object_.Object(key));
  }
}

TEST_F(JsonObjectTest, NamesTheMemberThatIsWrong) {
  EXPECT_EQ(object_.String("n").error().message(), "doc: n: must be a string");
  EXPECT_EQ(object_.Bool("n").error().message(),
            "doc: n: must be true or false");
  EXPECT_EQ(object_.Strings("mixed").error().message(),
            "doc: mixed: must be an array of strings");
  EXPECT_EQ(object_.Objects("mixed").error().message(),
            "doc: mixed[0]: must be an object");
  EXPECT_EQ(object_.StringMap("list").error().message(),
            "doc: list: must be an object");
  const auto objects = object_.Objects("objects");
  EXPECT_EQ((*objects)[1].Number("size").error().message(),
            "doc: objects[1].size: must be a whole number from 0 to 2^63-1");
}

TEST_F(JsonObjectTest, RefusesSizesThatNoFileHas) {
  for (const char* key : {"big", "half", "text"}) {
    EXPECT_FALSE(object_.Number(key)) << key;
  }
}

TEST(JsonObject, IsNothingButAnObject) {
  for (const char* text : {"[]", "null", "1", "\"x\""}) {
    EXPECT_FALSE(JsonObject::Of(nlohmann::json::parse(text), "doc")) << text;
  }
}

}  // namespace
}  // namespace imgmount
