// SPDX-License-Identifier: Apache-2.0
#include "meta/report/history.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "meta/base/timestamp.h"
#include "meta/base/zoned_time.h"
#include "meta/store/layer_store.h"
#include "meta/text/quantities.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::TarBuilder;

constexpr int64_t kNow = 1709210096;  // 2024-02-29T12:34:56Z

class HistoryTest : public ::testing::Test {
 protected:
  // Two layers of 5 and 3 bytes of content.
  Image MakeImage(const std::string& history) const {
    const Descriptor descriptor = testing::WriteImage(
        cache_,
        {TarBuilder().File("a", "aaaaa").Build(),
         TarBuilder().File("b", "bbb").Build()},
        R"({"created":"2024-02-15T00:00:00Z","history":)" + history + "}");
    auto image = cache_.Load(descriptor, {"linux", "amd64", "", ""});
    EXPECT_TRUE(image) << image.error().message();
    return *image;
  }
  nlohmann::ordered_json FieldsOf(const HistoryRow& row, const Image& image,
                                  bool truncate = true,
                                  bool human = true) const {
    return HistoryFields(row, image, {truncate, human, kNow});
  }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
};

constexpr char kHistory[] = R"([
  {"created":"2024-02-01T12:34:56Z","created_by":"ADD a"},
  {"created":"2024-02-29T11:34:56Z","created_by":"ENV x","empty_layer":true},
  {"created":"2024-02-29T12:34:46Z","created_by":"COPY b","comment":"hi"}])";

TEST_F(HistoryTest, IsNewestFirstWithTheImagesIdOnTop) {
  const Image image = MakeImage(kHistory);
  const auto rows = HistoryOf(image, cache_);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].id, image.manifest.config.digest.text());
  EXPECT_EQ(rows[0].created_by, "COPY b");
  EXPECT_EQ(rows[0].comment, "hi");
  EXPECT_EQ(rows[0].layer, 1u);
  EXPECT_EQ(rows[1].id, "<missing>");
  EXPECT_EQ(rows[1].layer, std::nullopt);
  EXPECT_EQ(rows[2].layer, 0u);
}

TEST_F(HistoryTest, CountsContentsOfIndexedLayersAndMarksOthers) {
  const Image image = MakeImage(kHistory);
  ASSERT_TRUE(
      LoadIndex(cache_, image.manifest.layers[0], image.config.diff_ids[0]));
  const auto rows = HistoryOf(image, cache_);
  const uint64_t compressed = image.manifest.layers[1].size;
  EXPECT_EQ(FieldsOf(rows[0], image)["Size"], "~" + ShortSize(compressed));
  EXPECT_EQ(FieldsOf(rows[0], image, true, false)["Size"],
            "~" + std::to_string(compressed));
  EXPECT_EQ(FieldsOf(rows[1], image)["Size"], "0B");
  EXPECT_EQ(FieldsOf(rows[2], image)["Size"], "5B");
}

TEST_F(HistoryTest, TellsAgesOrTimes) {
  const Image image = MakeImage(kHistory);
  const auto rows = HistoryOf(image, cache_);
  EXPECT_EQ(FieldsOf(rows[0], image)["CreatedSince"], "10 seconds ago");
  EXPECT_EQ(FieldsOf(rows[1], image)["CreatedSince"], "About an hour ago");
  EXPECT_EQ(FieldsOf(rows[2], image)["CreatedSince"], "4 weeks ago");
  EXPECT_EQ(
      FieldsOf(rows[2], image, true, false)["CreatedSince"],
      ZonedTime::Local(ParseRfc3339("2024-02-01T12:34:56Z")->seconds).Text());
}

TEST_F(HistoryTest, HasNoAgeForTimesThatAreMissingOrMadeUp) {
  const Image image =
      MakeImage(R"([{},{"created":"2000-01-01T00:00:00Z"},{"created":"x"}])");
  for (const HistoryRow& row : HistoryOf(image, cache_)) {
    EXPECT_EQ(FieldsOf(row, image)["CreatedSince"], "N/A");
  }
}

TEST_F(HistoryTest, CutsLongCommandsUnlessAskedNotTo) {
  const std::string command = "RUN a\tb" + std::string(60, 'x');
  const Image image =
      MakeImage(nlohmann::json::array({{{"created_by", command}}}).dump());
  const auto rows = HistoryOf(image, cache_, /*all_layers=*/true);
  EXPECT_EQ(FieldsOf(rows[1], image)["CreatedBy"],
            "RUN a b" + std::string(37, 'x') + "…");
  EXPECT_EQ(FieldsOf(rows[1], image, false)["CreatedBy"],
            "RUN a b" + std::string(60, 'x'));
}

TEST_F(HistoryTest, CutsIdsUnlessAskedNotTo) {
  const Image image = MakeImage(kHistory);
  const auto rows = HistoryOf(image, cache_);
  const Digest& id = image.manifest.config.digest;
  const Digest& layer = image.manifest.layers[1].digest;
  EXPECT_EQ(FieldsOf(rows[0], image)["ID"], id.short_hex());
  EXPECT_EQ(FieldsOf(rows[0], image, false)["ID"], id.text());
  EXPECT_EQ(FieldsOf(rows[0], image)["Layer"], layer.short_hex());
  EXPECT_EQ(FieldsOf(rows[0], image, false)["Layer"], layer.text());
  EXPECT_EQ(FieldsOf(rows[1], image)["ID"], "<missing>");
  EXPECT_EQ(FieldsOf(rows[1], image)["Layer"], "");
}

TEST_F(HistoryTest, PutsLayersThatNoStepMadeOnTop) {
  const Image image = MakeImage(R"([{"created_by":"ADD a"}])");
  const auto rows = HistoryOf(image, cache_, /*all_layers=*/true);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].created_by, "");
  EXPECT_EQ(rows[0].layer, 1u);
  EXPECT_EQ(rows[0].created, ParseRfc3339("2024-02-15T00:00:00Z")->seconds);
  EXPECT_EQ(rows[1].layer, 0u);
}

TEST_F(HistoryTest, LeavesThemOutAsDockerDoes) {
  const Image image = MakeImage(R"([{"created_by":"ADD a"}])");
  const auto rows = HistoryOf(image, cache_);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].id, image.manifest.config.digest.text());
  EXPECT_EQ(rows[0].layer, 0u);
  EXPECT_TRUE(HistoryOf(MakeImage("[]"), cache_).empty());
}

TEST_F(HistoryTest, CountsNothingForStepsWhoseLayerIsMissing) {
  const Image image = MakeImage(
      R"([{"created_by":"1"},{"created_by":"2"},{"created_by":"3"}])");
  const auto rows = HistoryOf(image, cache_);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].created_by, "3");
  EXPECT_EQ(rows[0].layer, std::nullopt);
  EXPECT_EQ(FieldsOf(rows[0], image)["Size"], "0B");
}

TEST(HistoryHeaders, NameEveryField) {
  const nlohmann::ordered_json headers = HistoryHeaders();
  EXPECT_EQ(headers.size(), 8u);
  EXPECT_EQ(headers["CreatedBy"], "CREATED BY");
}

}  // namespace
}  // namespace imgmount
