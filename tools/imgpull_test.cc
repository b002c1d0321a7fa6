// SPDX-License-Identifier: Apache-2.0
#include "tools/imgpull.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "tests/support/fake_registry.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"
#include "tests/support/test_io.h"

namespace imgmount {
namespace {

using testing::FakeRegistry;
using testing::HttpServer;
using testing::TarBuilder;
using testing::TestImage;
using testing::TestIo;
using Reply = HttpServer::Reply;
using Request = HttpServer::Request;

class ImgpullTest : public ::testing::Test {
 protected:
  ImgpullTest() { registry_.AddImage("library/app", "latest", image_); }

  int Run(std::vector<std::string> args) {
    io_.out.str("");
    io_.err.str("");
    args.insert(args.begin(),
                {"--cache-dir", (folder_.path() / "cache").string()});
    return ImgpullMain(std::move(args), io_.io);
  }
  // Points Docker Hub at the registry of this test.
  void MirrorDockerHub() {
    const auto conf = folder_.path() / "registries.conf";
    std::ofstream(conf) << fmt::format(R"(
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "{}"
)",
                                       registry_.authority());
    io_.env["CONTAINERS_REGISTRIES_CONF"] = conf.string();
  }

  const testing::TemporaryFolder folder_;
  TestIo io_;
  const TestImage image_{{TarBuilder().File("a", "b").Build()}};
  FakeRegistry registry_;
};

TEST_F(ImgpullTest, PrintsWhatDockerPrints) {
  MirrorDockerHub();
  ASSERT_EQ(Run({"app"}), 0) << io_.err.str();
  const std::string id(image_.layer_digest(0).short_hex());
  EXPECT_EQ(io_.out.str(),
            fmt::format("Using default tag: latest\n"
                        "latest: Pulling from library/app\n"
                        "{0}: Pulling fs layer\n"
                        "{0}: Verifying Checksum\n"
                        "{0}: Download complete\n"
                        "{0}: Pull complete\n"
                        "Digest: {1}\n"
                        "Status: Downloaded newer image for app:latest\n"
                        "docker.io/library/app:latest\n",
                        id, image_.manifest_digest().text()));
  ASSERT_EQ(Run({"app"}), 0);
  EXPECT_EQ(io_.out.str(),
            fmt::format("Using default tag: latest\n"
                        "latest: Pulling from library/app\n"
                        "Digest: {}\n"
                        "Status: Image is up to date for app:latest\n"
                        "docker.io/library/app:latest\n",
                        image_.manifest_digest().text()));
}

// The lines are those of Docker Engine 20.10 and its CLI 28.2.
TEST_F(ImgpullTest, PrintsWhatDockerPrintsOfADigest) {
  MirrorDockerHub();
  const std::string digest = image_.manifest_digest().text();
  const auto lines = [&](std::string_view layers, std::string_view status,
                         std::string_view tag) {
    return fmt::format(
        "docker.io/library/app@{0}: Pulling from library/app\n"
        "{1}"
        "Digest: {0}\n"
        "Status: {2} for app@{0}\n"
        "docker.io/library/app{3}@{0}\n",
        digest, layers, status, tag);
  };
  const std::string id(image_.layer_digest(0).short_hex());
  const std::string layers = fmt::format(
      "{0}: Pulling fs layer\n{0}: Verifying Checksum\n"
      "{0}: Download complete\n{0}: Pull complete\n",
      id);
  ASSERT_EQ(Run({"app@" + digest}), 0) << io_.err.str();
  EXPECT_EQ(io_.out.str(), lines(layers, "Downloaded newer image", ""));
  ASSERT_EQ(Run({"app:latest@" + digest}), 0) << io_.err.str();
  EXPECT_EQ(io_.out.str(), lines("", "Image is up to date", ":latest"));
}

TEST_F(ImgpullTest, OfAnImageThatIsThereOnlyTheNameIsNew) {
  MirrorDockerHub();
  registry_.AddImage("library/other", "v1", image_);
  ASSERT_EQ(Run({"-q", "app"}), 0) << io_.err.str();
  ASSERT_EQ(Run({"other:v1"}), 0) << io_.err.str();
  EXPECT_EQ(io_.out.str(),
            fmt::format("v1: Pulling from library/other\n"
                        "Digest: {}\n"
                        "Status: Downloaded newer image for other:v1\n"
                        "docker.io/library/other:v1\n",
                        image_.manifest_digest().text()));
}

TEST_F(ImgpullTest, SaysNothingOfPullingWhatIsNotThere) {
  const std::string at = registry_.authority() + "/library/";
  EXPECT_EQ(Run({at + "app:nope"}), 1);
  EXPECT_EQ(io_.out.str(), "");
  EXPECT_EQ(Run({at + "none"}), 1);
  EXPECT_EQ(io_.out.str(), "Using default tag: latest\n");
}

TEST_F(ImgpullTest, QuietPrintsTheReferenceAlone) {
  MirrorDockerHub();
  ASSERT_EQ(Run({"-q", "app"}), 0) << io_.err.str();
  EXPECT_EQ(io_.out.str(), "docker.io/library/app:latest\n");
  EXPECT_EQ(io_.err.str(), "");
}

TEST_F(ImgpullTest, ErrorsAreOneLineWithADocumentedStatus) {
  const auto fails = [&](const std::vector<std::string>& args, int status,
                         const std::string& message) {
    EXPECT_EQ(Run(args), status);
    EXPECT_THAT(io_.err.str(),
                AllOf(StartsWith("imgpull: "), HasSubstr(message)));
    EXPECT_EQ(io_.err.str().find('\n'), io_.err.str().size() - 1);
  };
  const std::string at = registry_.authority() + "/library/";
  fails({at + "app:nope"}, 1,
        "does not have library/app:nope (manifest unknown)");
  fails({at + "none"}, 1, "does not have library/none:latest");
  fails({"-q", "localhost:1/x"}, 3, "localhost:1: cannot connect");
  fails({"Upper/Case"}, 64, "Upper");
  fails({}, 64, "IMAGE is required");
  fails({"--nonsense", "x"}, 64, "--nonsense");
  fails({"--platform", "linux/s390x/9/9", at + "app"}, 64, "platform");
  fails({"--registries-conf", "/nowhere", "x"}, 64, "/nowhere");
  fails({"oci:/nowhere"}, 1, "/nowhere");
  registry_.Intercept([](const Request&) -> std::optional<Reply> {
    return Reply{.status = 403};
  });
  fails({at + "app"}, 4, "docker login");
}

TEST_F(ImgpullTest, PullsTheOthersWhenOneFails) {
  const std::string at = registry_.authority() + "/library/";
  EXPECT_EQ(Run({"-q", at + "nope", at + "app"}), 1);
  EXPECT_EQ(io_.out.str(), at + "app:latest\n");
}

TEST_F(ImgpullTest, AnInterruptedPullEndsWith130) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = registry_.Answer(request);
    if (request.target.find("/blobs/") != std::string::npos) {
      reply.stall_after = 1;
      ::raise(SIGINT);
    }
    return reply;
  });
  EXPECT_EQ(Run({registry_.authority() + "/library/app"}), 130);
  EXPECT_THAT(io_.err.str(), HasSubstr("interrupted"));
}

TEST_F(ImgpullTest, HelpIsWorthReading) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(io_.out.str(),
              AllOf(HasSubstr("imgpull nginx"), HasSubstr("--cache-dir"),
                    HasSubstr("--platform"), HasSubstr("Exit status")));
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_EQ(io_.out.str(), "imgpull " IMGMOUNT_VERSION "\n");
}

}  // namespace
}  // namespace imgmount
