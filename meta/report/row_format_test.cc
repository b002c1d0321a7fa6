// SPDX-License-Identifier: Apache-2.0
#include "meta/report/row_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace imgmount {
namespace {

using Json = nlohmann::ordered_json;

class RowFormatTest : public testing::Test {
 protected:
  std::string Format(std::string_view format) const {
    const auto text = FormatRows(
        format, headers_, {{&first_, &first_fields_}, {&second_, &second_}});
    return text ? *text : text.error().message();
  }
  const Json headers_ = {{"ID", "IMAGE"}, {"Size", "SIZE"}, {"More", "MORE"}};
  const Json first_ = {{"ID", "abcdefghijkl"}, {"Size", "1kB"}};
  const Json first_fields_ = {
      {"ID", "abcdefghijkl"}, {"Size", "1kB"}, {"More", "m"}};
  const Json second_ = {{"ID", "<missing>"}, {"Size", "20MB"}, {"More", "n"}};
};

TEST_F(RowFormatTest, PrintsALinePerRow) {
  EXPECT_EQ(Format("{{.ID}} is {{.Size}}"),
            "abcdefghijkl is 1kB\n<missing> is 20MB\n");
  EXPECT_EQ(Format(R"(  {{.ID}}\t\n{{.More}} )"),
            "abcdefghijkl\t\nm\n<missing>\t\nn\n");
}

TEST_F(RowFormatTest, AlignsATableBelowItsHeaders) {
  EXPECT_EQ(Format(R"(table {{.ID}}\t{{.Size}})"),
            "IMAGE          SIZE\n"
            "abcdefghijkl   1kB\n"
            "<missing>      20MB\n");
}

TEST_F(RowFormatTest, KeepsHeadersOutOfDockersFunctions) {
  EXPECT_EQ(Format("table {{lower .ID}} {{truncate .Size 1}}"),
            "IMAGE SIZE\n"
            "abcdefghijkl 1\n"
            "<missing> 2\n");
}

TEST_F(RowFormatTest, PrintsJsonAsDockerDoes) {
  EXPECT_EQ(Format("json"),
            R"({"ID":"abcdefghijkl","Size":"1kB"})"
            "\n"
            R"({"ID":"\u003cmissing\u003e","Size":"20MB","More":"n"})"
            "\n");
  EXPECT_EQ(Format("{{json .Size}}"), "\"1kB\"\n\"20MB\"\n");
}

TEST_F(RowFormatTest, SaysWhatIsWrongWithTheTemplate) {
  EXPECT_EQ(Format("{{.ID"), "template: at byte 1: unclosed action");
  EXPECT_EQ(Format("{{.Nope}}"),
            "template: at byte 3: no field \"Nope\"; there are ID, Size, More");
}

}  // namespace
}  // namespace imgmount
