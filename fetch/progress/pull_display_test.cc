// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/pull_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/support/fake_registry.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Step = PullObserver::Step;
using Style = PullDisplay::Style;

// A terminal as far as the display uses one: what a person would see, with the
// lines that have scrolled away.
class Screen {
 public:
  explicit Screen(size_t columns) : columns_(columns) {}

  void Write(const std::string& text) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\033') {
        i = Escape(text, i + 2);
      } else if (text[i] == '\r') {
        column_ = 0;
      } else if (text[i] == '\n') {
        ++row_;
        column_ = 0;
      } else {
        Put(text[i]);
      }
    }
  }
  std::vector<std::string> lines() {
    At(row_);
    return lines_;
  }

 private:
  size_t Escape(const std::string& text, size_t i) {
    size_t number = 0;
    for (; std::isdigit(static_cast<unsigned char>(text[i])) != 0; ++i) {
      number = number * 10 + static_cast<size_t>(text[i] - '0');
    }
    if (text[i] == 'A') {
      EXPECT_LE(number, row_) << "above the first line";
      row_ -= std::min(number, row_);
    } else {
      EXPECT_EQ(text[i], 'J');
      At(row_).resize(column_);
      lines_.resize(row_ + 1);
    }
    return i;
  }
  std::string& At(size_t row) {
    if (lines_.size() <= row) lines_.resize(row + 1);
    return lines_[row];
  }
  void Put(char c) {
    if (column_ == columns_) {
      ++row_;
      column_ = 0;
    }
    std::string& line = At(row_);
    line.resize(std::max(line.size(), column_ + 1), ' ');
    line[column_++] = c;
  }

  const size_t columns_;
  size_t row_ = 0;
  size_t column_ = 0;
  std::vector<std::string> lines_;
};

Image ImageOfLayers(size_t count) {
  std::vector<std::string> tars;
  for (size_t i = 0; i < count; ++i) {
    tars.push_back(testing::TarBuilder().File("f", std::to_string(i)).Build());
  }
  const testing::TestImage image(tars);
  return *Image::Make(image.manifest, kOciManifest, image.config);
}

class PullDisplayTest : public ::testing::Test {
 protected:
  PullDisplay Show(Style style) {
    return PullDisplay(
        out_, style, [this] { return size_; }, [this] { return now_; });
  }
  const Digest& Layer(size_t i) const {
    return image_.manifest.layers[i].digest;
  }
  std::string Id(size_t i) const { return std::string(Layer(i).short_hex()); }
  void Later() { now_ += std::chrono::seconds(1); }
  std::vector<std::string> Seen() const {
    Screen screen(static_cast<size_t>(size_.columns));
    screen.Write(out_.str());
    return screen.lines();
  }

  const Image image_ = ImageOfLayers(3);
  std::ostringstream out_;
  TerminalSize size_{80, 24};
  std::chrono::steady_clock::time_point now_{};
};

TEST_F(PullDisplayTest, BeginsLikeDocker) {
  const auto first_lines = [&](const std::string& text) {
    out_.str("");
    auto display = Show(Style::kPlain);
    display.Start(text);
    display.Found(*Reference::Parse(text));
    return out_.str();
  };
  EXPECT_EQ(first_lines("nginx"),
            "Using default tag: latest\nlatest: Pulling from library/nginx\n");
  EXPECT_EQ(first_lines("nginx:1.25"), "1.25: Pulling from library/nginx\n");
  EXPECT_EQ(first_lines("localhost:5000/x"),
            "Using default tag: latest\nlatest: Pulling from x\n");
  const std::string digest = "sha256:" + std::string(64, 'a');
  const std::string whole = "docker.io/user/x@" + digest;
  EXPECT_EQ(first_lines("user/x@" + digest), whole + ": Pulling from user/x\n");
  EXPECT_EQ(first_lines("user/x:1@" + digest),
            whole + ": Pulling from user/x\n");
}

TEST_F(PullDisplayTest, EndsLikeDocker) {
  auto display = Show(Style::kPlain);
  display.Finish(Layer(0), "nginx:latest");
  EXPECT_EQ(out_.str(), "Digest: " + Layer(0).text() +
                            "\nStatus: Image is up to date for nginx:latest\n");
  out_.str("");
  display.OnImage(image_);
  display.Finish(Layer(0), "nginx:latest");
  EXPECT_THAT(out_.str(),
              HasSubstr("Status: Downloaded newer image for nginx:latest\n"));
}

TEST_F(PullDisplayTest, APipeGetsALinePerChangeAndNoBytes) {
  auto display = Show(Style::kPlain);
  display.OnImage(image_);
  display.OnLayer(Layer(0), Step::kPullingFsLayer, 0, 1000);
  display.OnLayer(Layer(1), Step::kWaiting, 0, 1000);
  for (uint64_t done = 0; done <= 1000; done += 100) {
    display.OnLayer(Layer(0), Step::kDownloading, done, 1000);
  }
  for (const uint64_t seconds : {3, 2, 1}) {
    display.OnLayer(Layer(0), Step::kRetrying, seconds, 1000);
  }
  display.OnLayer(Layer(0), Step::kPullComplete, 0, 1000);
  display.OnLayer(Layer(1), Step::kAlreadyExists, 0, 1000);
  EXPECT_EQ(out_.str(), Id(0) + ": Pulling fs layer\n" + Id(1) + ": Waiting\n" +
                            Id(0) + ": Retrying in 3 seconds\n" + Id(0) +
                            ": Pull complete\n" + Id(1) + ": Already exists\n");
}

TEST_F(PullDisplayTest, QuietIsSilent) {
  auto display = Show(Style::kQuiet);
  display.Start("nginx");
  display.Found(*Reference::Parse("nginx"));
  display.OnImage(image_);
  display.OnLayer(Layer(0), Step::kPullingFsLayer, 0, 1);
  display.OnLayerNotice(Layer(0), "no answer");
  display.OnNotice("no answer");
  display.OnWarning("soon");
  display.Finish(Layer(0), "nginx");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(PullDisplayTest, ATerminalHasALinePerLayer) {
  auto display = Show(Style::kTerminal);
  display.OnImage(image_);
  for (size_t i = 0; i < 3; ++i) {
    display.OnLayer(Layer(i), Step::kPullingFsLayer, 0, 1);
  }
  display.OnLayer(Layer(1), Step::kDownloading, 17'140'000, 88'990'000);
  EXPECT_THAT(Seen(),
              ElementsAre(Id(0) + ": Pulling fs layer",
                          Id(1) + ": Downloading [=====>" +
                              std::string(23, ' ') + "]  17.14MB/88.99MB",
                          Id(2) + ": Pulling fs layer", ""));
  display.OnLayer(Layer(0), Step::kPullComplete, 0, 1);
  display.OnLayer(Layer(1), Step::kVerifyingChecksum, 0, 1);
  display.OnLayer(Layer(2), Step::kRetrying, 1, 1);
  EXPECT_THAT(Seen(), ElementsAre(Id(0) + ": Pull complete",
                                  Id(1) + ": Verifying Checksum",
                                  Id(2) + ": Retrying in 1 second", ""));
}

TEST_F(PullDisplayTest, ALayersNoticeStandsUntilSomethingHappens) {
  auto display = Show(Style::kTerminal);
  display.OnImage(image_);
  display.OnLayer(Layer(0), Step::kDownloading, 5, 9);
  display.OnLayerNotice(Layer(0), "no answer from h for 1 s");
  EXPECT_THAT(Seen(), ElementsAre(Id(0) + ": no answer from h for 1 s", ""));
  Later();
  display.OnLayer(Layer(0), Step::kDownloading, 6, 9);
  EXPECT_THAT(Seen()[0], HasSubstr(Id(0) + ": Downloading "));
}

TEST_F(PullDisplayTest, TheImagesNoticeStandsUntilThereIsAnAnswer) {
  auto display = Show(Style::kTerminal);
  display.Start("nginx:1");
  display.OnNotice("no answer (2/5)");
  display.OnNotice("no answer (3/5)");
  EXPECT_THAT(Seen(), ElementsAre("no answer (3/5)", ""));
  display.Found(*Reference::Parse("nginx:1"));
  const std::string first = "1: Pulling from library/nginx";
  display.OnImage(image_);
  display.OnLayer(Layer(0), Step::kWaiting, 0, 1);
  EXPECT_THAT(Seen(), ElementsAre(first, Id(0) + ": Waiting", ""));

  out_.str("");
  auto no_layers = Show(Style::kTerminal);
  no_layers.OnNotice("no answer");
  no_layers.Finish(Layer(0), "nginx:1");
  EXPECT_THAT(Seen(), ElementsAre("Digest: " + Layer(0).text(),
                                  HasSubstr("up to date"), ""));
}

TEST_F(PullDisplayTest, WarningsStandAboveTheLayersForGood) {
  auto display = Show(Style::kTerminal);
  display.OnWarning("h: one");
  display.OnImage(image_);
  display.OnLayer(Layer(0), Step::kWaiting, 0, 1);
  display.OnWarning("h: two");
  display.OnLayer(Layer(0), Step::kPullComplete, 0, 1);
  EXPECT_THAT(Seen(), ElementsAre("warning: h: one", "warning: h: two",
                                  Id(0) + ": Pull complete", ""));
}

TEST_F(PullDisplayTest, APipeGetsNoticesAndWarningsAsLines) {
  auto display = Show(Style::kPlain);
  display.Start("nginx:1");
  display.OnNotice("no answer");
  display.Found(*Reference::Parse("nginx:1"));
  display.OnWarning("h: soon");
  display.OnImage(image_);
  display.OnLayerNotice(Layer(0), "no answer");
  display.OnLayer(Layer(0), Step::kDownloading, 1, 2);
  EXPECT_EQ(out_.str(),
            "no answer\n1: Pulling from library/nginx\n"
            "warning: h: soon\n" +
                Id(0) + ": no answer\n");
}

TEST_F(PullDisplayTest, AWideTerminalHasBarsSpeedAndTimeLeft) {
  size_.columns = 140;
  auto display = Show(Style::kTerminal);
  display.OnImage(image_);
  display.OnLayer(Layer(0), Step::kDownloading, 1'000'000, 5'000'000);
  Later();
  display.OnLayer(Layer(0), Step::kDownloading, 2'000'000, 5'000'000);
  EXPECT_EQ(Seen()[0], Id(0) + ": Downloading [" + std::string(20, '=') + ">" +
                           std::string(30, ' ') +
                           "]      2MB/5MB  1MB/s  3s left");
}

TEST_F(PullDisplayTest, ALastLineHasTheSumTheRateAndTheTimeLeft) {
  Image image = image_;
  for (Descriptor& layer : image.manifest.layers) layer.size = 5'000'000;
  auto display = Show(Style::kTerminal);
  display.OnImage(image);
  // One is here, of one some bytes are.
  display.OnLayer(Layer(0), Step::kAlreadyExists, 0, 1);
  display.OnLayer(Layer(1), Step::kDownloading, 1'000'000, 5'000'000);
  display.OnLayer(Layer(2), Step::kWaiting, 0, 5'000'000);
  EXPECT_EQ(Seen().size(), 4u);  // no rate yet
  Later();
  display.OnLayer(Layer(1), Step::kDownloading, 3'000'000, 5'000'000);
  EXPECT_EQ(Seen()[3], "Total: 3MB/10MB  2MB/s  3s left");
  Later();
  display.OnLayer(Layer(1), Step::kPullComplete, 0, 1);
  EXPECT_EQ(Seen()[3], "Total: 5MB/10MB  2MB/s  2s left");
  display.OnLayer(Layer(2), Step::kDownloading, 0, 5'000'000);
  display.OnLayer(Layer(2), Step::kPullComplete, 0, 1);
  EXPECT_THAT(Seen(),
              ElementsAre(Id(0) + ": Already exists", Id(1) + ": Pull complete",
                          Id(2) + ": Pull complete", ""));
}

TEST_F(PullDisplayTest, FortyColumnsAreEnough) {
  size_.columns = 40;
  auto display = Show(Style::kTerminal);
  display.OnImage(image_);
  for (int i = 0; i < 5; ++i) {
    Later();
    display.OnLayer(Layer(0), Step::kDownloading, 17'140'000, 88'990'000);
    display.OnLayer(Layer(1), Step::kVerifyingChecksum, 0, 1);
  }
  EXPECT_THAT(Seen(), ElementsAre(Id(0) + ": Downloading  17.14MB",
                                  Id(1) + ": Verifying Checksum", ""));
}

TEST_F(PullDisplayTest, TenColumnsDoNoHarm) {
  size_.columns = 10;
  auto display = Show(Style::kTerminal);
  display.OnImage(image_);
  for (int i = 0; i < 3; ++i) {
    Later();
    display.OnLayer(Layer(0), Step::kDownloading, 1, 2);
    display.OnLayer(Layer(1), Step::kWaiting, 0, 2);
  }
  EXPECT_THAT(Seen(),
              ElementsAre(Id(0).substr(0, 10), Id(1).substr(0, 10), ""));
}

TEST_F(PullDisplayTest, ATerminalThatGetsNarrowerIsRedrawnFromItsTop) {
  size_.columns = 80;
  auto display = Show(Style::kTerminal);
  display.OnImage(image_);
  display.OnLayer(Layer(0), Step::kDownloading, 17'140'000, 88'990'000);
  // The line of 72 columns takes four rows of 20 now.
  out_.str("");
  size_.columns = 20;
  display.OnLayer(Layer(0), Step::kWaiting, 0, 1);
  EXPECT_THAT(out_.str(), ::testing::StartsWith("\033[4A\r\033[J"));
}

TEST_F(PullDisplayTest, ALayerThatIsDoneScrollsAway) {
  size_.rows = 3;
  auto display = Show(Style::kTerminal);
  display.OnImage(image_);
  for (size_t i = 0; i < 3; ++i) {
    display.OnLayer(Layer(i), Step::kPullingFsLayer, 0, 1);
  }
  // Two lines fit; the third layer is not shown yet.
  EXPECT_THAT(Seen(), ElementsAre(Id(0) + ": Pulling fs layer",
                                  Id(1) + ": Pulling fs layer", ""));
  display.OnLayer(Layer(0), Step::kPullComplete, 0, 1);
  EXPECT_THAT(Seen(), ElementsAre(Id(0) + ": Pull complete",
                                  Id(1) + ": Pulling fs layer",
                                  Id(2) + ": Pulling fs layer", ""));
  out_.str("");
  display.OnLayer(Layer(2), Step::kWaiting, 0, 1);
  EXPECT_THAT(out_.str(),
              AllOf(::testing::StartsWith("\033[2A"), Not(HasSubstr(Id(0)))));
}

TEST_F(PullDisplayTest, BytesRedrawTenTimesASecondAtMost) {
  auto display = Show(Style::kTerminal);
  display.OnImage(image_);
  display.OnLayer(Layer(0), Step::kDownloading, 0, 1000);
  out_.str("");
  for (uint64_t done = 1; done < 100; ++done) {
    display.OnLayer(Layer(0), Step::kDownloading, done, 1000);
  }
  EXPECT_EQ(out_.str(), "");
  now_ += std::chrono::milliseconds(100);
  display.OnLayer(Layer(0), Step::kDownloading, 100, 1000);
  EXPECT_THAT(out_.str(), HasSubstr("100B/1kB"));
}

TEST_F(PullDisplayTest, ALayerThatStandsTwiceHasOneLine) {
  Image twice = ImageOfLayers(1);
  twice.manifest.layers.push_back(twice.manifest.layers[0]);
  auto display = Show(Style::kTerminal);
  display.OnImage(twice);
  display.OnLayer(twice.manifest.layers[1].digest, Step::kPullComplete, 0, 1);
  EXPECT_THAT(Seen(), ElementsAre(HasSubstr(": Pull complete"), ""));
}

}  // namespace
}  // namespace imgmount
