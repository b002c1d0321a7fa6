// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "meta/diff/fake_tree.h"

namespace imgmount {
namespace {

using testing::FakeTree;
using ::testing::HasSubstr;
using ::testing::Not;

LayerInfo Layer(size_t number) {
  const Digest digest = DigestOf("layer " + std::to_string(number));
  return {number, digest, DiffId::FromText(digest.text()), "RUN x"};
}

// The JSON in the page's data element.
nlohmann::json DataOf(const std::string& page) {
  const std::string start = R"(id="data">)";
  const size_t at = page.find(start) + start.size();
  return nlohmann::json::parse(
      page.substr(at, page.find("</script>", at) - at));
}

class HtmlReportTest : public ::testing::Test {
 protected:
  HtmlReportTest() {
    const auto in = [](LayerPosition layer) {
      return [layer](Inode& inode) { inode.layer = layer; };
    };
    a_.File("gone", "123").With(in(0));
    b_.Dir("1").Dir("1/2").Dir("1/2/3").Dir("1/2/3/4").Dir("1/2/3/4/5");
    b_.File("1/2/3/4/5/deep", "12345").With(in(1));
    b_.File("<!--<script>", "1").With(in(0));
    list_ = *DiffTrees(a_, b_);
  }
  Comparison Make() {
    return {a_,
            b_,
            list_,
            {Layer(0)},
            {Layer(0), Layer(1)},
            [](std::string_view) -> Result<std::optional<LayerPosition>> {
              return LayerPosition{1};
            }};
  }

  FakeTree a_;
  FakeTree b_;
  ChangeList list_;
};

TEST_F(HtmlReportTest, HoldsAllThatThePageShows) {
  HtmlReport report("a -> b");
  report.SetLayers({Layer(0), Layer(1)}, {{10, 3}, {20, 0}});
  report.SetEfficiency({0.5, 7, {{"/gone", 7, 2}}});
  ASSERT_TRUE(report.SetTree(b_));
  ASSERT_TRUE(report.AddSection("all", Make()));
  const auto data = DataOf(report.Page());
  EXPECT_EQ(data["title"], "a -> b");
  EXPECT_EQ(data["layers"][0]["hidden"], 3);
  EXPECT_EQ(data["waste"]["paths"][0], nlohmann::json({"/gone", 7, 2}));
  EXPECT_EQ(data["bytes"], nlohmann::json({{0, "", 1}, {1, "/1/2/3/4", 5}}));
  const auto& section = data["sections"][0];
  const auto& changes = section["changes"];
  ASSERT_EQ(changes.size(), 8u);
  EXPECT_EQ(changes[6],
            nlohmann::json({0, "<!--<script>", "A", "", 0, 1, -1, 0}));
  EXPECT_EQ(changes[7], nlohmann::json({0, "gone", "D", "", 3, 0, 0, 1}));
  EXPECT_EQ(section["directories"][changes[5][0].get<size_t>()][1], "5");
}

TEST_F(HtmlReportTest, CannotBeBrokenByNames) {
  HtmlReport report("<img src=x>");
  ASSERT_TRUE(report.AddSection("all", Make()));
  EXPECT_THAT(report.Page(), Not(HasSubstr("<!--<script>")));
  EXPECT_THAT(report.Page(), Not(HasSubstr("<img")));
}

}  // namespace
}  // namespace imgmount
