// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/json_progress.h"

#include <gtest/gtest.h>

#include <sstream>

namespace imgmount {
namespace {

using Step = PullObserver::Step;

class JsonProgressTest : public ::testing::Test {
 protected:
  std::string Take() {
    std::string text = out_.str();
    out_.str("");
    return text;
  }

  std::ostringstream out_;
  std::chrono::steady_clock::time_point now_{};
  JsonProgress progress_{out_, [this] { return now_; }};
  const Digest layer_ = DigestOf("layer");
  const std::string id_{layer_.short_hex()};
};

TEST_F(JsonProgressTest, EventsAreThoseOfDockersApi) {
  progress_.Start("nginx");
  EXPECT_EQ(Take(), "");
  progress_.Found(*Reference::Parse("nginx"));
  EXPECT_EQ(Take(), R"({"status":"Pulling from library/nginx","id":"latest"})"
                    "\n");
  progress_.OnLayer(layer_, Step::kPullingFsLayer, 0, 9);
  EXPECT_EQ(Take(),
            R"({"status":"Pulling fs layer","progressDetail":{},"id":")" + id_ +
                "\"}\n");
  progress_.OnLayer(layer_, Step::kDownloading, 5, 9);
  EXPECT_EQ(
      Take(),
      R"({"status":"Downloading","progressDetail":{"current":5,"total":9},"id":")" +
          id_ + "\"}\n");
  progress_.OnLayer(layer_, Step::kRetrying, 2, 9);
  EXPECT_EQ(Take(),
            R"({"status":"Retrying in 2 seconds","progressDetail":{},"id":")" +
                id_ + "\"}\n");
  progress_.Finish(layer_, "nginx:latest");
  EXPECT_EQ(Take(),
            "{\"status\":\"Digest: " + layer_.text() +
                "\"}\n"
                R"({"status":"Status: Image is up to date for nginx:latest"})"
                "\n");
  progress_.ShowName("docker.io/library/nginx:latest", layer_);
  EXPECT_EQ(
      Take(),
      R"({"aux":{"Reference":"docker.io/library/nginx:latest","Digest":")" +
          layer_.text() + "\"}}\n");
}

TEST_F(JsonProgressTest, NoticesWarningsAndFailuresAreEventsToo) {
  progress_.OnNotice("no answer");
  EXPECT_EQ(Take(), "{\"status\":\"no answer\"}\n");
  progress_.OnWarning("h: soon");
  EXPECT_EQ(Take(), "{\"status\":\"warning: h: soon\"}\n");
  progress_.OnLayerNotice(layer_, "no answer");
  EXPECT_EQ(Take(), R"({"status":"no answer","progressDetail":{},"id":")" +
                        id_ + "\"}\n");
  PrintJsonFailure(out_, Error(ErrorCode::kDenied, "no \"login\""));
  EXPECT_EQ(
      Take(),
      R"({"errorDetail":{"message":"no \"login\""},"error":"no \"login\""})"
      "\n");
}

TEST_F(JsonProgressTest, BytesAreToldTenTimesASecondAndAtTheEnd) {
  progress_.OnLayer(layer_, Step::kDownloading, 0, 9);
  Take();
  progress_.OnLayer(layer_, Step::kDownloading, 1, 9);
  EXPECT_EQ(Take(), "");
  now_ += std::chrono::milliseconds(100);
  progress_.OnLayer(layer_, Step::kDownloading, 2, 9);
  EXPECT_NE(Take(), "");
  progress_.OnLayer(layer_, Step::kDownloading, 9, 9);
  EXPECT_NE(Take(), "");
}

}  // namespace
}  // namespace imgmount
