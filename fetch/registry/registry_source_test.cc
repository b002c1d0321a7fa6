// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/registry_source.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <thread>

#include "tests/support/fake_registry.h"
#include "tests/support/hostile_json.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"
#include "tests/support/test_io.h"

namespace imgmount {
namespace {

using testing::FakeRegistry;
using testing::HttpServer;
using ::testing::Pair;
using testing::TestImage;
using Reply = HttpServer::Reply;
using Request = HttpServer::Request;

constexpr char kRepository[] = "library/app";

Descriptor DescriptorOf(const std::string& bytes) {
  return {.media_type = "application/vnd.oci.image.layer.v1.tar+gzip",
          .digest = DigestOf(bytes),
          .size = bytes.size(),
          .platform = {},
          .urls = {},
          .annotations = {},
          .artifact_type = {}};
}

class StringSink : public BlobSink {
 public:
  Status Write(std::span<const std::byte> bytes) override {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  void OnRetryIn(int seconds) override { retries.push_back(seconds); }
  void OnNotice(const std::string& notice) override {
    notices.push_back(notice);
  }

  std::string text;
  std::vector<std::string> notices;
  std::vector<int> retries;
};

// Keeps what came of a blob of so many bytes.
class RangesSink : public RangeSink {
 public:
  explicit RangesSink(size_t blob_bytes) : text(blob_bytes, '\0') {}

  Status Begin(uint64_t first, uint64_t end) override {
    answers.emplace_back(first, end);
    next_ = first;
    return {};
  }
  Status Write(std::span<const std::byte> bytes) override {
    std::memcpy(&text.at(next_), bytes.data(), bytes.size());
    next_ += bytes.size();
    got += bytes.size();
    return {};
  }
  void OnRetryIn(int seconds) override { retries.push_back(seconds); }

  std::string text;
  std::vector<std::pair<uint64_t, uint64_t>> answers;
  std::vector<int> retries;
  size_t got = 0;  // bytes, counted each time that they come

 private:
  uint64_t next_ = 0;
};

class RegistrySourceTest : public ::testing::Test {
 protected:
  RegistrySourceTest() {
    options_.retry.sleep = [this](std::chrono::milliseconds time) {
      slept_ms_ += time.count();
    };
    options_.retry.random = [] { return 0.5; };
    registry_.AddImage(kRepository, "latest", image_);
    registry_.AddBlob(blob_);
  }

  Endpoint At(const std::string& authority) const {
    return {.registry = authority, .repository = kRepository};
  }
  std::unique_ptr<RegistrySource> Open(std::vector<Endpoint> endpoints = {}) {
    if (endpoints.empty()) endpoints.push_back(At(registry_.authority()));
    return std::make_unique<RegistrySource>(
        endpoints, *Credentials::Load({}, FetchEnvironment::Read(io_.io.env)),
        options_);
  }
  void LogIn(const std::string& registry, const std::string& auth) {
    std::ofstream(folder_.path() / "config.json") << fmt::format(
        R"({{"auths":{{"{}":{{"auth":"{}"}}}}}})", registry, auth);
    io_.env["DOCKER_CONFIG"] = folder_.path().string();
  }
  // Fetches blob_ from `offset` on and returns what came.
  Result<std::string> Fetch(RegistrySource& source, uint64_t offset = 0) {
    sink_ = StringSink();
    auto fetched = source.FetchBlob(DescriptorOf(blob_), offset, sink_);
    if (!fetched) return Failure(fetched.error());
    return sink_.text;
  }
  // The same of bytes [first, end); `ranges_` tells how they came.
  Result<std::string> FetchRange(RegistrySource& source, uint64_t first,
                                 uint64_t end) {
    ranges_ = RangesSink(blob_.size());
    auto fetched = source.FetchRange(DescriptorOf(blob_), first, end, ranges_);
    if (!fetched) return Failure(fetched.error());
    return ranges_.text.substr(first, end - first);
  }
  std::string Part(uint64_t first, uint64_t end) const {
    return blob_.substr(first, end - first);
  }
  std::string BlobPath() const {
    return FakeRegistry::BlobPath(kRepository, DigestOf(blob_));
  }

  const testing::TemporaryFolder folder_;
  testing::TestIo io_;
  std::atomic<int64_t> slept_ms_ = 0;
  RegistrySource::Options options_;
  StringSink sink_;
  const TestImage image_{{testing::TarBuilder().File("a", "b").Build()}};
  const std::string blob_ = testing::RandomBytes(1'000'000, 1);
  RangesSink ranges_{0};
  FakeRegistry registry_;
};

TEST_F(RegistrySourceTest, FetchesAManifestByTagAndByDigest) {
  const auto source = Open();
  const auto by_tag = source->FetchManifest("latest");
  ASSERT_TRUE(by_tag) << by_tag.error().message();
  EXPECT_EQ(by_tag->bytes, image_.manifest);
  EXPECT_EQ(by_tag->media_type, kOciManifest);
  EXPECT_EQ(by_tag->digest, image_.manifest_digest());
  const auto by_digest = source->FetchManifest(image_.manifest_digest().text());
  ASSERT_TRUE(by_digest);
  EXPECT_EQ(by_digest->bytes, image_.manifest);
  EXPECT_THAT(registry_.http().requests()[0].Header("accept"),
              AllOf(HasSubstr(kOciIndex), HasSubstr(kOciManifest),
                    HasSubstr(kDockerList), HasSubstr(kDockerManifest)));
}

TEST_F(RegistrySourceTest, FetchesBlobs) {
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source), blob_);
  EXPECT_EQ(*source->FetchSmallBlob(DescriptorOf(image_.config)),
            image_.config);
}

TEST_F(RegistrySourceTest, AManifestThatIsNotWhatWasAskedForIsRefused) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.body = image_.manifest + " "};
  });
  const auto manifest = Open()->FetchManifest(image_.manifest_digest().text());
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kCorrupt);
}

TEST_F(RegistrySourceTest, AManifestThatIsNotWhatItsHeaderSaysIsRefused) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{
        .headers = {{"Docker-Content-Digest", DigestOf("other").text()}},
        .body = image_.manifest};
  });
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kCorrupt);
}

TEST_F(RegistrySourceTest, AConfigThatIsNotWhatWasAskedForIsRefused) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.body = std::string(image_.config.size(), 'x')};
  });
  const auto config = Open()->FetchSmallBlob(DescriptorOf(image_.config));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code(), ErrorCode::kCorrupt);
}

TEST_F(RegistrySourceTest, AHugeManifestIsRefused) {
  registry_.Intercept([](const Request&) -> std::optional<Reply> {
    return Reply{.body = std::string(kMaxManifestBytes + 1, ' ')};
  });
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kCorrupt);
}

// Permanent errors fail at once.

TEST_F(RegistrySourceTest, NoSuchTagIsToldWithTheRegistrysWords) {
  const auto manifest = Open()->FetchManifest("nope");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(manifest.error().message(),
            registry_.authority() +
                " does not have library/app:nope (manifest unknown)");
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, ForbiddenIsToldWithWhatToDo) {
  registry_.Intercept([](const Request&) -> std::optional<Reply> {
    return Reply{.status = 403,
                 .body = "{\"errors\":[{\"message\":\"no \\u001b[31mway\"}]}"};
  });
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kDenied);
  EXPECT_THAT(manifest.error().message(),
              AllOf(HasSubstr("docker login " + registry_.authority()),
                    HasSubstr("(no \\x1b[31mway)")));
  EXPECT_EQ(registry_.http().requests().size(), 1u);
}

TEST_F(RegistrySourceTest, NobodyThereFailsAtOnce) {
  std::string gone;
  {
    const FakeRegistry other;
    gone = other.authority();
  }
  const auto manifest = Open({At(gone)})->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(manifest.error().message(), HasSubstr(gone));
  EXPECT_EQ(slept_ms_, 0);
}

// Transient errors are tried again.

TEST_F(RegistrySourceTest, AServerErrorIsTriedAgain) {
  std::atomic<int> failures = 3;
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    if (failures-- > 0) return Reply{.status = 500};
    return {};
  });
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_TRUE(manifest) << manifest.error().message();
  EXPECT_EQ(slept_ms_, 1000 + 2000 + 4000);
}

TEST_F(RegistrySourceTest, FiveFailuresInARowAreEnough) {
  registry_.Intercept([](const Request&) -> std::optional<Reply> {
    return Reply{.status = 503};
  });
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(manifest.error().message(), HasSubstr("503"));
  EXPECT_EQ(registry_.http().requests().size(), 5u);
}

TEST_F(RegistrySourceTest, RetryAfterIsHonoured) {
  std::atomic<int> failures = 1;
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    if (failures-- > 0) {
      return Reply{.status = 429, .headers = {{"Retry-After", "9"}}};
    }
    return {};
  });
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source), blob_);
  EXPECT_EQ(slept_ms_, 9000);
  EXPECT_THAT(sink_.retries, ElementsAre(9, 8, 7, 6, 5, 4, 3, 2, 1));
}

TEST_F(RegistrySourceTest, ARateLimitOfHoursIsGivenUpOn) {
  registry_.Intercept([](const Request&) -> std::optional<Reply> {
    return Reply{.status = 429,
                 .headers = {{"Retry-After", "7200"}},
                 .body = R"({"errors":[{"message":"pull rate limit"}]})"};
  });
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(manifest.error().message(), HasSubstr("(pull rate limit)"));
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, AWaitIsInterrupted) {
  std::atomic<bool> interrupted = false;
  options_.http.stopped = [&] { return interrupted.load(); };
  options_.retry.sleep = [&](std::chrono::milliseconds) { interrupted = true; };
  registry_.Intercept([](const Request&) -> std::optional<Reply> {
    return Reply{.status = 500};
  });
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(registry_.http().requests().size(), 1u);
}

// Who never answers is asked five times, without waits in between.

class Listener : public SourceListener {
 public:
  void OnNotice(const std::string& text) override { notices.push_back(text); }
  void OnWarning(const std::string& text) override { warnings.push_back(text); }

  std::vector<std::string> notices;
  std::vector<std::string> warnings;
};

TEST_F(RegistrySourceTest, SilenceIsToldAndEnds) {
  options_.http.stall_timeout = std::chrono::milliseconds(10);
  registry_.Intercept([](const Request&) -> std::optional<Reply> {
    return Reply{.no_answer = true};
  });
  const auto notice = [&](int attempt) {
    return fmt::format("no answer from {} for 0 s, trying again ({}/5)",
                       registry_.authority(), attempt);
  };
  const auto source = Open();
  Listener listener;
  EXPECT_EQ(source->Listen(&listener), nullptr);
  const auto manifest = source->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(manifest.error().message(), HasSubstr("nothing arrived"));
  EXPECT_THAT(listener.notices,
              ElementsAre(notice(2), notice(3), notice(4), notice(5)));
  EXPECT_FALSE(Fetch(*source));
  EXPECT_THAT(sink_.notices,
              ElementsAre(notice(2), notice(3), notice(4), notice(5)));
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, AWaitForADocumentIsTold) {
  std::atomic<int> failures = 1;
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    if (failures-- > 0) {
      return Reply{.status = 503, .headers = {{"Retry-After", "3"}}};
    }
    return {};
  });
  const auto source = Open();
  Listener listener;
  source->Listen(&listener);
  EXPECT_TRUE(source->FetchManifest("latest"));
  EXPECT_THAT(listener.notices, ElementsAre("retrying in 3 seconds"));
}

TEST_F(RegistrySourceTest, AWarningIsToldOnce) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = registry_.Answer(request);
    reply.headers.emplace_back("Warning", "299 - \"moving soon\"");
    if (request.target == BlobPath()) {
      reply.headers.emplace_back("Warning", "299 - \"large\"");
    }
    return reply;
  });
  const auto source = Open();
  Listener listener;
  source->Listen(&listener);
  EXPECT_TRUE(source->FetchManifest("latest"));
  EXPECT_TRUE(Fetch(*source));
  EXPECT_TRUE(source->FetchManifest("latest"));
  const std::string from = registry_.authority() + ": ";
  EXPECT_THAT(listener.warnings,
              ElementsAre(from + "moving soon", from + "large"));
}

// Blobs go on from the byte that was reached.

TEST_F(RegistrySourceTest, ALinkThatDropsNeedsNoByteTwice) {
  size_t sent = 0;
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = registry_.Answer(request);
    reply.close_after = 100'000;
    sent += std::min<size_t>(reply.body.size(), 100'000);
    return reply;
  });
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source), blob_);
  EXPECT_EQ(sent, blob_.size());
  EXPECT_EQ(slept_ms_, 0) << "it moves, so nobody waits";
}

TEST_F(RegistrySourceTest, AStalledTransferGoesOn) {
  options_.http.stall_timeout = std::chrono::milliseconds(200);
  options_.retry.attempts = 1000;  // as a busy machine is as good as a stall
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = registry_.Answer(request);
    if (request.Header("range").empty()) reply.stall_after = 500'000;
    return reply;
  });
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source), blob_);
}

TEST_F(RegistrySourceTest, APullGoesOnWhereAnEarlierOneEnded) {
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source, 400'000), blob_.substr(400'000));
  EXPECT_EQ(registry_.http().requests()[0].Header("range"), "bytes=400000-");
  EXPECT_EQ(*Fetch(*source, blob_.size()), "");
  EXPECT_EQ(registry_.http().requests().size(), 1u);
}

TEST_F(RegistrySourceTest, AServerThatIgnoresRangesIsReadFromItsStart) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.body = blob_};
  });
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source, 400'000), blob_.substr(400'000));
}

TEST_F(RegistrySourceTest, AWrongRangeIsNotBelieved) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.Header("range").empty()) return {};
    return Reply{.status = 206,
                 .headers = {{"Content-Range",
                              fmt::format("bytes 500000-{}/{}",
                                          blob_.size() - 1, blob_.size())}},
                 .body = blob_.substr(500'000)};
  });
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source, 400'000), blob_.substr(400'000));
}

TEST_F(RegistrySourceTest, WhoRefusesARangeIsAskedForTheWholeAtOnce) {
  std::atomic<int> refusal = 0;
  const auto refuse = [&](const Request& request) -> Reply {
    if (!request.Header("range").empty()) return {.status = refusal};
    return {.body = blob_};
  };
  const HttpServer storage(refuse, "127.0.0.2");
  const Reply redirect{.status = 307,
                       .headers = {{"Location", storage.Url("/blob?sig=1")}}};
  for (const int status : {400, 403, 405, 412, 416, 501}) {
    refusal = status;
    for (const bool redirected : {false, true}) {
      registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
        return redirected ? redirect : refuse(request);
      });
      const size_t before = registry_.http().requests().size();
      const auto source = Open();
      const auto fetched = Fetch(*source, 400'000);
      ASSERT_TRUE(fetched) << status << fetched.error().message();
      EXPECT_EQ(*fetched, blob_.substr(400'000));
      EXPECT_EQ(registry_.http().requests().size(), before + 2) << status;
    }
  }
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, AfterARefusalItIsADownloadLikeAnyOther) {
  std::vector<std::string> ranges;
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    ranges.push_back(request.Header("range"));
    if (ranges.back() == "bytes=400000-") return Reply{.status = 416};
    Reply reply = registry_.Answer(request);
    if (ranges.size() == 2) reply.close_after = 700'000;
    return reply;
  });
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source, 400'000), blob_.substr(400'000));
  EXPECT_THAT(ranges, ElementsAre("bytes=400000-", "", "bytes=700000-"));
}

TEST_F(RegistrySourceTest, WhoNeverAnswersARangeIsAskedForTheWholeInTheEnd) {
  size_t ranges = 0;
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.Header("range").empty()) return {};
    // One that breaks down, and one that breaks off.
    if (++ranges % 2 == 0) return Reply{.status = 500};
    return Reply{.body = blob_, .close_after = 0};
  });
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source, 400'000), blob_.substr(400'000));
  EXPECT_EQ(ranges, 4u);
}

TEST_F(RegistrySourceTest, AResumedBlobThatIsGoneIsAskedForOnce) {
  const auto source = Open();
  StringSink sink;
  const auto fetched =
      source->FetchBlob(DescriptorOf(blob_ + "other"), 400'000, sink);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(registry_.http().requests().size(), 1u);
}

TEST_F(RegistrySourceTest, ARangeThatBeginsEarlierIsCut) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.status = 206,
                 .headers = {{"Content-Range", fmt::format("bytes 300000-{}/*",
                                                           blob_.size() - 1)}},
                 .body = blob_.substr(300'000)};
  });
  const auto source = Open();
  EXPECT_EQ(*Fetch(*source, 400'000), blob_.substr(400'000));
}

TEST_F(RegistrySourceTest, AnotherLengthIsRefusedAtOnce) {
  for (const size_t length : {blob_.size() - 1, blob_.size() + 1}) {
    registry_.Intercept([&, length](const Request&) -> std::optional<Reply> {
      return Reply{.body = std::string(length, 'x')};
    });
    const auto source = Open();
    const auto fetched = Fetch(*source);
    ASSERT_FALSE(fetched);
    EXPECT_EQ(fetched.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(fetched.error().message(),
                HasSubstr(std::to_string(blob_.size())));
    EXPECT_EQ(sink_.text, "");
  }
}

TEST_F(RegistrySourceTest, ABlobThatEndsTooSoonEveryTimeIsGivenUpOn) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = registry_.Answer(request);
    reply.close_after = 0;
    return reply;
  });
  const auto source = Open();
  const auto fetched = Fetch(*source);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(fetched.error().message(), HasSubstr("closed early"));
  EXPECT_EQ(registry_.http().requests().size(), 5u);
}

TEST_F(RegistrySourceTest, TheReceiversErrorEndsItAndIsReturned) {
  class FullDisk : public StringSink {
    Status Write(std::span<const std::byte>) override {
      return Fail(ErrorCode::kIo, "disk full");
    }
  } sink;
  const auto fetched = Open()->FetchBlob(DescriptorOf(blob_), 0, sink);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().message(), "disk full");
  EXPECT_EQ(registry_.http().requests().size(), 1u);
}

TEST_F(RegistrySourceTest, AReceiverThatStopsIsNotKeptWaiting) {
  class Stopper : public StringSink {
   public:
    bool stopped() const override { return stop; }
    std::atomic<bool> stop = false;
  } sink;
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = registry_.Answer(request);
    reply.stall_after = 10;
    sink.stop = true;
    return reply;
  });
  const auto fetched = Open()->FetchBlob(DescriptorOf(blob_), 0, sink);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::kCancelled);
}

// Codings.

TEST_F(RegistrySourceTest, ABlobThatIsEncodedOnItsWayIsDecoded) {
  const std::string gzip = testing::Gzip(blob_);
  for (const bool ranges : {false, true}) {
    registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
      Reply reply{.body = gzip};
      if (ranges) reply = testing::WithRange(request, gzip);
      reply.headers.emplace_back("Content-Encoding", "gzip");
      return reply;
    });
    const auto source = Open();
    for (const size_t offset : {0, 400'000}) {
      const auto fetched = Fetch(*source, offset);
      ASSERT_TRUE(fetched) << fetched.error().message();
      EXPECT_EQ(*fetched, blob_.substr(offset));
    }
  }
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, ACodingThatIsTheBlobsOwnIsLeft) {
  const std::string published = testing::Gzip(blob_);
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = testing::WithRange(request, published);
    reply.headers.emplace_back("Content-Encoding", "gzip");
    return reply;
  });
  const auto source = Open();
  for (const size_t offset : {0, 400'000}) {
    StringSink sink;
    const auto fetched =
        source->FetchBlob(DescriptorOf(published), offset, sink);
    ASSERT_TRUE(fetched) << fetched.error().message();
    EXPECT_EQ(sink.text, published.substr(offset));
  }
  EXPECT_EQ(registry_.http().requests().size(), 2u);
}

TEST_F(RegistrySourceTest, ACodedBlobIsNotReadBeyondItsSize) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.headers = {{"Content-Encoding", "gzip"}},
                 .body = testing::Gzip(blob_ + blob_)};
  });
  const auto source = Open();
  const auto fetched = Fetch(*source);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::kCorrupt);
  EXPECT_LE(sink_.text.size(), blob_.size());
}

TEST_F(RegistrySourceTest, ATokenMayComeEncoded) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.target.starts_with("/token?")) {
      return Reply{.headers = {{"Content-Encoding", "gzip"}},
                   .body = testing::Gzip(R"({"token":"t"})")};
    }
    if (request.Header("authorization") == "Bearer t") return {};
    return Reply{.status = 401,
                 .headers = {{"WWW-Authenticate",
                              fmt::format(R"(Bearer realm="{}")",
                                          registry_.http().Url("/token"))}}};
  });
  EXPECT_TRUE(Open()->FetchManifest("latest"));
}

// HEAD.

TEST_F(RegistrySourceTest, AHeadThatFailsIsNoAnswerAndNotAskedAgain) {
  const ResolvedImage known{
      *Image::Make(image_.manifest, kOciManifest, image_.config),
      {.media_type = kOciManifest,
       .digest = image_.manifest_digest(),
       .size = image_.manifest.size()}};
  EXPECT_TRUE(*Open()->StillNames("latest", known));
  for (const int status : {0, 400, 401, 403, 404, 405, 429, 500, 501, 503}) {
    registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
      if (request.method != "HEAD") return {};
      if (status == 0) return Reply{.hang_up = true};
      return Reply{.status = status};
    });
    const auto source = Open();
    const size_t before = registry_.http().requests().size();
    const auto same = source->StillNames("latest", known);
    ASSERT_TRUE(same) << status << same.error().message();
    EXPECT_FALSE(*same);
    EXPECT_LE(registry_.http().requests().size(), before + 2) << "with /v2/";
    EXPECT_TRUE(source->FetchManifest("latest")) << status;
  }
  EXPECT_EQ(slept_ms_, 0);
}

// Ranges.

TEST_F(RegistrySourceTest, ARangeIsOneRequestOnAConnectionThatStays) {
  const auto source = Open();
  EXPECT_EQ(*FetchRange(*source, 300'000, 500'000), Part(300'000, 500'000));
  EXPECT_THAT(ranges_.answers, ElementsAre(Pair(300'000, 500'000)));
  EXPECT_EQ(*FetchRange(*source, 0, 1), Part(0, 1));
  EXPECT_EQ(*FetchRange(*source, 900'000, 1'000'000), Part(900'000, 1'000'000));
  EXPECT_EQ(*FetchRange(*source, 500'000, 500'000), "");
  std::vector<std::string> headers;
  for (const Request& request : registry_.http().requests()) {
    headers.push_back(request.Header("range"));
  }
  EXPECT_THAT(headers,
              ElementsAre("bytes=300000-499999", "bytes=0-0", "bytes=900000-"));
  EXPECT_EQ(registry_.http().connection_count(), 1u);
}

TEST_F(RegistrySourceTest, SeveralThreadsFetchRangesAtATime) {
  constexpr size_t kThreads = 8;
  constexpr size_t kLength = 10'000;
  const auto source = Open();
  std::vector<std::thread> threads;
  std::atomic<size_t> good = 0;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t first = thread * kLength; first < blob_.size();
           first += kThreads * kLength) {
        RangesSink sink(blob_.size());
        const auto fetched = source->FetchRange(DescriptorOf(blob_), first,
                                                first + kLength, sink);
        if (fetched &&
            sink.text.substr(first, kLength) == Part(first, first + kLength)) {
          ++good;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, blob_.size() / kLength);
  EXPECT_LE(registry_.http().connection_count(), kThreads);
}

TEST_F(RegistrySourceTest, ABrokenRangeGoesOnWithItsRest) {
  std::vector<std::string> headers;
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    headers.push_back(request.Header("range"));
    Reply reply = registry_.Answer(request);
    reply.close_after = 100'000;
    return reply;
  });
  const auto source = Open();
  EXPECT_EQ(*FetchRange(*source, 300'000, 550'000), Part(300'000, 550'000));
  EXPECT_THAT(headers, ElementsAre("bytes=300000-549999", "bytes=400000-549999",
                                   "bytes=500000-549999"));
  EXPECT_THAT(ranges_.answers,
              ElementsAre(Pair(300'000, 550'000), Pair(400'000, 550'000),
                          Pair(500'000, 550'000)));
  EXPECT_EQ(ranges_.got, 250'000u);
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, WhoIgnoresARangeGivesTheWhole) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.body = blob_};
  });
  const auto source = Open();
  EXPECT_TRUE(FetchRange(*source, 300'000, 500'000));
  EXPECT_EQ(ranges_.text, blob_);
  EXPECT_THAT(ranges_.answers, ElementsAre(Pair(0, blob_.size())));
  EXPECT_EQ(registry_.http().requests().size(), 1u);
}

TEST_F(RegistrySourceTest, AWholeThatBreaksBehindTheRangeWasEnough) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.body = blob_, .close_after = 600'000};
  });
  const auto source = Open();
  EXPECT_EQ(*FetchRange(*source, 300'000, 500'000), Part(300'000, 500'000));
  EXPECT_EQ(registry_.http().requests().size(), 1u);
}

TEST_F(RegistrySourceTest, WhoRefusesAClosedRangeIsAskedForTheWhole) {
  std::atomic<int> refusal = 0;
  const auto refuse = [&](const Request& request) -> Reply {
    if (!request.Header("range").empty()) return {.status = refusal};
    return {.body = blob_};
  };
  const HttpServer storage(refuse, "127.0.0.2");
  for (const int status : {400, 403, 405, 412, 416, 501}) {
    refusal = status;
    for (const bool redirected : {false, true}) {
      registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
        if (!redirected) return refuse(request);
        return Reply{.status = 307,
                     .headers = {{"Location", storage.Url("/blob?sig=1")}}};
      });
      const auto source = Open();
      const auto fetched = FetchRange(*source, 0, 500'000);
      ASSERT_TRUE(fetched) << status << fetched.error().message();
      EXPECT_EQ(ranges_.text, blob_);
      EXPECT_THAT(ranges_.answers, ElementsAre(Pair(0, blob_.size())));
    }
  }
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, AnAnswerThatIsNotTheRangeIsNotBelieved) {
  const std::string boundary = "multipart/byteranges; boundary=x";
  const std::vector<std::pair<std::string, std::string>> answers[] = {
      {},
      {{"Content-Range", "bytes 300001-499999/1000000"}},
      {{"Content-Range", "bytes 0-299999/1000000"}},
      {{"Content-Range", "bytes 300000-/1000000"}},
      {{"Content-Type", boundary}},
      {{"Content-Type", boundary},
       {"Content-Range", "bytes 300000-499999/1000000"}}};
  for (const auto& headers : answers) {
    registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
      if (request.Header("range").empty()) return {};
      return Reply{
          .status = 206, .headers = headers, .body = std::string(200'000, 'x')};
    });
    const auto fetched = FetchRange(*Open(), 300'000, 500'000);
    ASSERT_TRUE(fetched) << fetched.error().message();
    EXPECT_EQ(ranges_.text, blob_);
    EXPECT_THAT(ranges_.answers, ElementsAre(Pair(0, blob_.size())));
  }
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, ARangeOfABlobOfAnotherSizeIsRefused) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.status = 206,
                 .headers = {{"Content-Range", "bytes 0-9/1000001"}},
                 .body = std::string(10, 'x')};
  });
  const auto fetched = FetchRange(*Open(), 0, 10);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(ranges_.got, 0u);
}

TEST_F(RegistrySourceTest, MoreBytesThanTheirRangeSaysAreRefused) {
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.status = 206,
                 .headers = {{"Content-Range", "bytes 0-9/1000000"}},
                 .body = std::string(11, 'x')};
  });
  const auto fetched = FetchRange(*Open(), 0, 10);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::kCorrupt);
}

TEST_F(RegistrySourceTest, ALargerRangeIsTakenFromWhereItIsNeeded) {
  for (const char* total : {"1000000", "*"}) {
    registry_.Intercept([&](const Request&) -> std::optional<Reply> {
      return Reply{.status = 206,
                   .headers = {{"Content-Range",
                                fmt::format("bytes 200000-599999/{}", total)}},
                   .body = Part(200'000, 600'000)};
    });
    EXPECT_EQ(*FetchRange(*Open(), 300'000, 500'000), Part(300'000, 500'000));
    EXPECT_THAT(ranges_.answers, ElementsAre(Pair(300'000, 600'000)));
    EXPECT_EQ(ranges_.got, 300'000u);
  }
}

TEST_F(RegistrySourceTest, ASmallerRangeIsFollowedByItsRest) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.Header("range") != "bytes=300000-499999") return {};
    return Reply{.status = 206,
                 .headers = {{"Content-Range", "bytes 300000-399999/*"}},
                 .body = Part(300'000, 400'000)};
  });
  EXPECT_EQ(*FetchRange(*Open(), 300'000, 500'000), Part(300'000, 500'000));
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, WhoEncodesARangeIsAskedForTheWhole) {
  const std::string gzip = testing::Gzip(blob_);
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = testing::WithRange(request, gzip);
    reply.headers.emplace_back("Content-Encoding", "gzip");
    return reply;
  });
  EXPECT_TRUE(FetchRange(*Open(), 300'000, 500'000));
  EXPECT_EQ(ranges_.text, blob_);
  EXPECT_THAT(ranges_.answers, ElementsAre(Pair(0, blob_.size())));
}

TEST_F(RegistrySourceTest, ARangeOfWhatWasPublishedWithACodingIsOne) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = testing::WithRange(request, blob_);
    reply.headers.emplace_back("Content-Encoding", "gzip");
    return reply;
  });
  EXPECT_EQ(*FetchRange(*Open(), 300'000, 500'000), Part(300'000, 500'000));
  EXPECT_EQ(registry_.http().requests().size(), 1u);
}

TEST_F(RegistrySourceTest, WhoIsAskedForRangesTooOftenIsGivenTheTimeItWants) {
  for (const int status : {429, 503}) {
    slept_ms_ = 0;
    std::atomic<int> failures = 1;
    registry_.Intercept([&](const Request&) -> std::optional<Reply> {
      if (failures-- > 0) {
        return Reply{.status = status, .headers = {{"Retry-After", "3"}}};
      }
      return {};
    });
    EXPECT_EQ(*FetchRange(*Open(), 300'000, 500'000), Part(300'000, 500'000));
    EXPECT_THAT(ranges_.retries, ElementsAre(3, 2, 1));
    EXPECT_EQ(slept_ms_, 3000);
  }
}

TEST_F(RegistrySourceTest, WhoRefusesAnAnswerEndsIt) {
  class Refuser : public RangesSink {
   public:
    using RangesSink::RangesSink;
    Status Begin(uint64_t, uint64_t) override {
      return Fail(ErrorCode::kCancelled, "comes otherwise");
    }
  } sink(blob_.size());
  const auto fetched =
      Open()->FetchRange(DescriptorOf(blob_), 300'000, 500'000, sink);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().message(), "comes otherwise");
  EXPECT_EQ(registry_.http().requests().size(), 1u);
}

// Redirects.

// Storage whose addresses are good for as long as it says.
class Storage {
 public:
  Storage(FakeRegistry& registry, const std::string& blob) : blob_(blob) {
    registry.Intercept(
        [this](const Request& request) { return RedirectFor(request); });
  }
  // Addresses given so far are answered like this.
  void Expire(int status) {
    expired_status_ = status;
    first_good_ = given_ + 1;
  }
  size_t given() const { return given_; }
  const HttpServer& http() const { return server_; }

 private:
  std::optional<Reply> RedirectFor(const Request& request) {
    if (request.target.find("/blobs/") == std::string::npos) return {};
    return Reply{.status = 307,
                 .headers = {{"Location", server_.Url(fmt::format(
                                              "/b?signature={}", ++given_))}}};
  }
  Reply Answer(const Request& request) {
    const size_t equals = request.target.find('=');
    if (std::stoul(request.target.substr(equals + 1)) < first_good_) {
      return {.status = expired_status_};
    }
    return testing::WithRange(request, blob_);
  }

  const std::string& blob_;
  std::atomic<size_t> given_ = 0;
  std::atomic<size_t> first_good_ = 1;
  std::atomic<int> expired_status_ = 0;
  HttpServer server_{[this](const Request& r) { return Answer(r); },
                     "127.0.0.2"};
};

TEST_F(RegistrySourceTest, TheAddressOfABlobIsAskedForOnce) {
  Storage storage(registry_, blob_);
  const auto source = Open();
  for (const uint64_t first : {0, 100'000, 500'000}) {
    EXPECT_EQ(*FetchRange(*source, first, first + 50'000),
              Part(first, first + 50'000));
  }
  EXPECT_EQ(*Fetch(*source, 400'000), blob_.substr(400'000));
  EXPECT_EQ(registry_.http().requests().size(), 1u);
  EXPECT_EQ(storage.http().requests().size(), 4u);
  EXPECT_EQ(storage.http().connection_count(), 1u);
}

TEST_F(RegistrySourceTest, AnAddressThatHasExpiredIsAskedForOnceMore) {
  Storage storage(registry_, blob_);
  const auto source = Open();
  EXPECT_TRUE(FetchRange(*source, 0, 10));
  size_t given = 1;
  for (const int status : {400, 401, 403, 404, 410, 416}) {
    storage.Expire(status);
    for (const uint64_t first : {300'000, 400'000}) {
      EXPECT_EQ(*FetchRange(*source, first, first + 10),
                Part(first, first + 10));
    }
    EXPECT_EQ(storage.given(), ++given) << status;
  }
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, StorageThatIsGoneIsAskedForAnew) {
  auto first = std::make_unique<Storage>(registry_, blob_);
  const auto source = Open();
  EXPECT_TRUE(FetchRange(*source, 0, 10));
  first.reset();
  Storage second(registry_, blob_);
  EXPECT_EQ(*FetchRange(*source, 300'000, 300'010), Part(300'000, 300'010));
  EXPECT_EQ(second.given(), 1u);
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, AnExpiredAddressIsAskedForAnew) {
  std::atomic<int> addresses = 0;
  HttpServer cdn(
      [&](const Request& request) -> Reply {
        if (request.target == "/blob?signature=1" &&
            !request.Header("range").empty()) {
          return {.status = 403, .body = "expired"};
        }
        Reply reply = testing::WithRange(request, blob_);
        if (request.target == "/blob?signature=1") reply.close_after = 300'000;
        return reply;
      },
      "127.0.0.2");
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{
        .status = 307,
        .headers = {{"Location",
                     cdn.Url(fmt::format("/blob?signature={}", ++addresses))}}};
  });
  const auto source = Open();
  const auto fetched = Fetch(*source);
  ASSERT_TRUE(fetched) << fetched.error().message();
  EXPECT_EQ(*fetched, blob_);
}

TEST_F(RegistrySourceTest, AStorageServersRefusalShowsNoSignature) {
  HttpServer cdn([](const Request&) -> Reply { return {.status = 403}; },
                 "127.0.0.2");
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.status = 307,
                 .headers = {{"Location", cdn.Url("/blob?signature=secret")}}};
  });
  const auto source = Open();
  const auto fetched = Fetch(*source);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(fetched.error().message(),
              AllOf(HasSubstr(cdn.authority()), Not(HasSubstr("secret"))));
}

// Authentication.

// A registry that wants a token, which it gives out itself.
class TokenRegistry {
 public:
  explicit TokenRegistry(FakeRegistry& registry) : registry_(registry) {
    registry.Intercept([this](const Request& r) { return Answer(r); });
  }
  // Tokens given so far end at once.
  void Expire() { ++generation; }

  std::atomic<int> generation = 1;
  std::atomic<int> tokens = 0;
  std::string wanted_login;  // a Basic value; "": nobody need log in

 private:
  std::optional<Reply> Answer(const Request& request) {
    const std::string token = fmt::format("token{}", generation.load());
    if (request.target.starts_with("/token?")) {
      if (!wanted_login.empty() &&
          request.Header("authorization") != wanted_login) {
        return Reply{.status = 401,
                     .body = R"({"details":"incorrect username or password"})"};
      }
      ++tokens;
      return Reply{.body = fmt::format(R"({{"token":"{}"}})", token)};
    }
    if (request.Header("authorization") == "Bearer " + token) return {};
    return Reply{
        .status = 401,
        .headers = {{"WWW-Authenticate",
                     fmt::format(R"(Bearer realm="{}",service="the service")",
                                 registry_.http().Url("/token"))}}};
  }
  FakeRegistry& registry_;
};

TEST_F(RegistrySourceTest, GetsATokenAndKeepsIt) {
  TokenRegistry tokens(registry_);
  const auto source = Open();
  ASSERT_TRUE(source->FetchManifest("latest"));
  EXPECT_EQ(*Fetch(*source), blob_);
  EXPECT_EQ(tokens.tokens, 1);
  EXPECT_EQ(registry_.http().requests()[1].target,
            "/token?service=the%20service&scope=repository%3Alibrary%2Fapp%"
            "3Apull");
}

TEST_F(RegistrySourceTest, AHostileTokenAnswerIsRefused) {
  std::string member;
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.target.starts_with("/token?")) {
      return Reply{.body = R"({"token":"t","x":)" + member + "}"};
    }
    if (request.Header("authorization") == "Bearer t") return {};
    return Reply{.status = 401,
                 .headers = {{"WWW-Authenticate",
                              fmt::format(R"(Bearer realm="{}",service="s")",
                                          registry_.http().Url("/token"))}}};
  });
  const auto refusal = [&](std::string text) {
    member = std::move(text);
    const auto fetched = Open()->FetchManifest("latest");
    return fetched ? std::string() : fetched.error().message();
  };
  EXPECT_EQ(refusal("0"), "");
  EXPECT_THAT(refusal(testing::DeepJson()), HasSubstr("no readable token"));
  EXPECT_THAT(refusal(testing::LargeJson()), HasSubstr("longer than"));
}

TEST_F(RegistrySourceTest, ATokenThatExpiredInMidPullIsRenewed) {
  TokenRegistry tokens(registry_);
  const auto source = Open();
  ASSERT_TRUE(source->FetchManifest("latest"));
  tokens.Expire();
  EXPECT_EQ(*Fetch(*source), blob_);
  EXPECT_EQ(tokens.tokens, 2);
}

TEST_F(RegistrySourceTest, SeveralWorkersRenewAnExpiredTokenOnce) {
  TokenRegistry tokens(registry_);
  const auto source = Open();
  ASSERT_TRUE(source->FetchManifest("latest"));
  tokens.Expire();
  std::vector<std::thread> workers;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      StringSink sink;
      if (source->FetchBlob(DescriptorOf(blob_), 0, sink)) ++good;
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(good, 4);
  EXPECT_EQ(tokens.tokens, 2);
}

TEST_F(RegistrySourceTest, ATokenThatExpiredBetweenRangesIsRenewed) {
  TokenRegistry tokens(registry_);
  const auto source = Open();
  EXPECT_EQ(*FetchRange(*source, 0, 10), Part(0, 10));
  tokens.Expire();
  EXPECT_EQ(*FetchRange(*source, 300'000, 300'010), Part(300'000, 300'010));
  EXPECT_EQ(tokens.tokens, 2);
}

TEST_F(RegistrySourceTest, ALoginDoesNotTravelToAKnownAddress) {
  HttpServer storage(
      [&](const Request& request) {
        return testing::WithRange(request, blob_);
      },
      "127.0.0.2");
  LogIn(registry_.authority(), "dXNlcjpwYXNzOndvcmQ=");
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.Header("authorization").empty()) {
      return Reply{.status = 401,
                   .headers = {{"WWW-Authenticate", "Basic realm=\"x\""}}};
    }
    return Reply{.status = 307, .headers = {{"Location", storage.Url("/b")}}};
  });
  Endpoint endpoint = At(registry_.authority());
  endpoint.headers = {"X-Secret: 1"};
  const auto source = Open({endpoint});
  EXPECT_TRUE(FetchRange(*source, 0, 10));
  EXPECT_TRUE(FetchRange(*source, 10, 20));
  ASSERT_EQ(storage.requests().size(), 2u);
  for (const Request& request : storage.requests()) {
    EXPECT_EQ(request.Header("authorization"), "");
    EXPECT_EQ(request.Header("x-secret"), "");
  }
}

TEST_F(RegistrySourceTest, LogsInAtTheTokenServer) {
  TokenRegistry tokens(registry_);
  tokens.wanted_login = BasicAuthorization({"user", "pass:word"});
  LogIn(registry_.authority(), "dXNlcjpwYXNzOndvcmQ=");
  EXPECT_TRUE(Open()->FetchManifest("latest"));
}

TEST_F(RegistrySourceTest, ARefreshTokenIsExchangedForAnother) {
  std::ofstream(folder_.path() / "config.json")
      << fmt::format(R"({{"auths":{{"{}":{{"identitytoken":"refresh/me"}}}}}})",
                     registry_.authority());
  io_.env["DOCKER_CONFIG"] = folder_.path().string();
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.target == "/token") {
      return Reply{.body = R"({"access_token":"t"})"};
    }
    if (request.Header("authorization") == "Bearer t") return {};
    return Reply{.status = 401,
                 .headers = {{"WWW-Authenticate",
                              fmt::format(R"(Bearer realm="{}",service="s")",
                                          registry_.http().Url("/token"))}}};
  });
  ASSERT_TRUE(Open()->FetchManifest("latest"));
  const Request question = registry_.http().requests()[1];
  EXPECT_EQ(question.method, "POST");
  EXPECT_EQ(question.body,
            "grant_type=refresh_token&client_id=imgmount&service=s&scope="
            "repository%3Alibrary%2Fapp%3Apull&refresh_token=refresh%2Fme");
  EXPECT_EQ(question.Header("authorization"), "");
}

TEST_F(RegistrySourceTest, AWrongLoginIsToldWithoutIt) {
  TokenRegistry tokens(registry_);
  tokens.wanted_login = BasicAuthorization({"user", "right"});
  LogIn(registry_.authority(), "dXNlcjpzZWNyZXQ=");  // user:secret
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kDenied);
  EXPECT_THAT(
      manifest.error().message(),
      AllOf(HasSubstr("wrong user name or password"), HasSubstr("docker login"),
            Not(HasSubstr("secret")), Not(HasSubstr("dXNlcjpzZWNyZXQ="))));
}

TEST_F(RegistrySourceTest, NoRightWithATokenMayMeanNoSuchRepository) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.target.starts_with("/token?")) {
      return Reply{.body = R"({"access_token":"t"})"};
    }
    return Reply{
        .status = 401,
        .headers = {{"WWW-Authenticate",
                     fmt::format(
                         R"(Bearer realm="{}",error="insufficient_scope")",
                         registry_.http().Url("/token"))}},
        .body = R"({"errors":[{"message":"authentication required"}]})"};
  });
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kDenied);
  EXPECT_THAT(manifest.error().message(),
              AllOf(HasSubstr("does not exist or may require `docker login"),
                    HasSubstr("(authentication required)")));
}

TEST_F(RegistrySourceTest, LogsInByBasicAuthentication) {
  const std::string wanted = BasicAuthorization({"user", "secret"});
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.Header("authorization") == wanted) return {};
    return Reply{.status = 401,
                 .headers = {{"WWW-Authenticate", "Basic realm=\"x\""}}};
  });
  const auto anonymous = Open()->FetchManifest("latest");
  ASSERT_FALSE(anonymous);
  EXPECT_EQ(anonymous.error().code(), ErrorCode::kDenied);
  EXPECT_THAT(anonymous.error().message(),
              HasSubstr("`docker login " + registry_.authority() + "`"));

  LogIn(registry_.authority(), "dXNlcjpzZWNyZXQ=");
  const auto source = Open();
  EXPECT_TRUE(source->FetchManifest("latest"));
  EXPECT_EQ(*Fetch(*source), blob_);

  LogIn(registry_.authority(), "dXNlcjp3cm9uZw==");
  const auto wrong = Open()->FetchManifest("latest");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), ErrorCode::kDenied);
}

TEST_F(RegistrySourceTest, ALoginIsForItsRegistryOnly) {
  LogIn("other.example.com", "dXNlcjpzZWNyZXQ=");
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.status = 401,
                 .headers = {{"WWW-Authenticate", "Basic realm=\"x\""}}};
  });
  EXPECT_FALSE(Open()->FetchManifest("latest"));
  for (const Request& request : registry_.http().requests()) {
    EXPECT_EQ(request.Header("authorization"), "");
  }
}

TEST_F(RegistrySourceTest, ATokenServerWithoutHttpsIsRefused) {
  LogIn(registry_.authority(), "dXNlcjpzZWNyZXQ=");
  registry_.Intercept([&](const Request&) -> std::optional<Reply> {
    return Reply{.status = 401,
                 .headers = {{"WWW-Authenticate",
                              R"(Bearer realm="http://auth.example.com/t")"}}};
  });
  const auto manifest = Open()->FetchManifest("latest");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kDenied);
  EXPECT_THAT(manifest.error().message(), HasSubstr("does not use https"));
}

TEST_F(RegistrySourceTest, ATokenThatIsNoHeaderValueIsRefused) {
  for (const char* answer : {R"({"token":"a\r\nX-Evil: 1"})", R"({"token":""})",
                             R"({"token":5})", "{}", "[]", "nonsense"}) {
    registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
      if (request.target.starts_with("/token?")) return Reply{.body = answer};
      return Reply{.status = 401,
                   .headers = {{"WWW-Authenticate",
                                fmt::format(R"(Bearer realm="{}")",
                                            registry_.http().Url("/token"))}}};
    });
    const auto manifest = Open()->FetchManifest("latest");
    ASSERT_FALSE(manifest) << answer;
    EXPECT_EQ(manifest.error().code(), ErrorCode::kCorrupt);
  }
}

// Mirrors.

TEST_F(RegistrySourceTest, AMirrorIsAskedInsteadOfTheRegistry) {
  FakeRegistry mirror;
  mirror.AddImage(kRepository, "latest", image_);
  const auto source = Open({At(mirror.authority()), At(registry_.authority())});
  EXPECT_TRUE(source->FetchManifest("latest"));
  EXPECT_EQ(registry_.http().requests().size(), 0u);
}

TEST_F(RegistrySourceTest, WhatAMirrorLacksTheRegistryGives) {
  FakeRegistry mirror;
  mirror.AddImage(kRepository, "latest", image_);
  const auto source = Open({At(mirror.authority()), At(registry_.authority())});
  ASSERT_TRUE(source->FetchManifest("latest"));
  EXPECT_EQ(*Fetch(*source), blob_);
  EXPECT_EQ(mirror.http().CountOf(BlobPath()), 1u);
}

TEST_F(RegistrySourceTest, ABrokenMirrorCostsNoWait) {
  FakeRegistry mirror;
  mirror.Intercept([](const Request&) -> std::optional<Reply> {
    return Reply{.status = 502};
  });
  std::string gone;
  {
    const FakeRegistry other;
    gone = other.authority();
  }
  const auto source =
      Open({At(gone), At(mirror.authority()), At(registry_.authority())});
  EXPECT_TRUE(source->FetchManifest("latest"));
  EXPECT_EQ(*Fetch(*source), blob_);
  EXPECT_EQ(mirror.http().requests().size(), 1u) << "who answered is kept";
  EXPECT_EQ(slept_ms_, 0);
}

TEST_F(RegistrySourceTest, ABlobGoesOnAtTheRegistryWhereItsMirrorDied) {
  FakeRegistry mirror;
  mirror.AddBlob(blob_);
  mirror.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = mirror.Answer(request);
    reply.close_after = 300'000;
    return reply;
  });
  const auto source = Open({At(mirror.authority()), At(registry_.authority())});
  EXPECT_EQ(*Fetch(*source), blob_);
  EXPECT_EQ(registry_.http().requests()[0].Header("range"), "bytes=300000-");
}

TEST_F(RegistrySourceTest, WhenAllFailTheMirrorsAreNamedToo) {
  FakeRegistry mirror;
  const auto source = Open({At(mirror.authority()), At(registry_.authority())});
  const auto manifest = source->FetchManifest("nope");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(
      manifest.error().message(),
      AllOf(HasSubstr(registry_.authority() + " does not have"),
            HasSubstr("mirror " + mirror.authority() + " does not have")));
}

// Foreign layers.

TEST_F(RegistrySourceTest, AForeignLayerComesFromItsAddress) {
  HttpServer vendor([&](const Request& request) {
    return testing::WithRange(request, blob_);
  });
  Descriptor foreign = DescriptorOf("");
  foreign.digest = DigestOf("not at the registry");
  foreign.size = blob_.size();
  foreign.urls = {"ftp://127.0.0.1/x", vendor.Url("/layer")};
  foreign.media_type =
      "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  StringSink sink;
  const auto fetched = Open()->FetchBlob(foreign, 0, sink);
  ASSERT_TRUE(fetched) << fetched.error().message();
  EXPECT_EQ(sink.text, blob_);
}

TEST_F(RegistrySourceTest, AForeignLayersServerMayRefuseRangesToo) {
  HttpServer vendor([&](const Request& request) -> Reply {
    if (!request.Header("range").empty()) return {.status = 416};
    return {.body = blob_};
  });
  Descriptor foreign = DescriptorOf("not at the registry");
  foreign.size = blob_.size();
  foreign.urls = {vendor.Url("/layer")};
  foreign.media_type =
      "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  StringSink sink;
  const auto fetched = Open()->FetchBlob(foreign, 400'000, sink);
  ASSERT_TRUE(fetched) << fetched.error().message();
  EXPECT_EQ(sink.text, blob_.substr(400'000));
}

TEST_F(RegistrySourceTest, ARangeOfAForeignLayerComesFromItsAddressToo) {
  HttpServer vendor([&](const Request& request) {
    return testing::WithRange(request, blob_);
  });
  Descriptor foreign = DescriptorOf("not at the registry");
  foreign.size = blob_.size();
  foreign.urls = {vendor.Url("/layer")};
  foreign.media_type =
      "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  RangesSink sink(blob_.size());
  const auto fetched = Open()->FetchRange(foreign, 300'000, 500'000, sink);
  ASSERT_TRUE(fetched) << fetched.error().message();
  EXPECT_EQ(sink.text.substr(300'000, 200'000), Part(300'000, 500'000));
  EXPECT_EQ(sink.got, 200'000u);
}

TEST_F(RegistrySourceTest, AnOrdinaryLayersAddressIsNotFollowed) {
  HttpServer vendor([&](const Request&) -> Reply { return {.body = blob_}; });
  Descriptor layer = DescriptorOf("not at the registry");
  layer.urls = {vendor.Url("/layer")};
  StringSink sink;
  const auto fetched = Open()->FetchBlob(layer, 0, sink);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(vendor.requests().size(), 0u);
}

}  // namespace
}  // namespace imgmount
