// SPDX-License-Identifier: Apache-2.0
#include "fetch/pull/puller.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "fetch/find/open_image.h"
#include "fetch/find/pull_image.h"
#include "fetch/find/resolve_image.h"
#include "meta/base/mutex.h"
#include "meta/partial/partial_blob.h"
#include "meta/store/layer_store.h"
#include "tests/support/fake_registry.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using testing::FakeRegistry;
using testing::HttpServer;
using testing::RandomBytes;
using testing::TarBuilder;
using testing::TestImage;
using Reply = HttpServer::Reply;
using Request = HttpServer::Request;
using Step = PullObserver::Step;

std::string LargeTar(uint64_t seed) {
  return TarBuilder().File("large", RandomBytes(2'000'000, seed)).Build();
}

class Recorder : public PullObserver {
 public:
  void OnImage(const Image&) override { ++images; }
  void OnLayer(const Digest& layer, Step step, uint64_t done,
               uint64_t) override {
    const MutexLock lock(mutex_);
    auto& its = steps[layer];
    if (its.empty() || its.back() != step) its.push_back(step);
    if (step == Step::kDownloading) downloaded[layer].push_back(done);
  }
  int images = 0;
  std::map<Digest, std::vector<Step>> steps;
  std::map<Digest, std::vector<uint64_t>> downloaded;  // as it was told

 private:
  Mutex mutex_;  // around the maps during a pull
};

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Names(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

class PullerTest : public ::testing::Test {
 protected:
  PullerTest() {
    config_.cache_folder = folder_.path() / "cache";
    config_.pull_options.cancel = &cancel_;
    registry_.AddImage("app", "latest", image_);
  }

  std::string Name(const std::string& tag = "latest") const {
    return registry_.authority() + "/app:" + tag;
  }
  NamedImage Open(const std::string& name) {
    auto opened = OpenImage(name, config_);
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }
  Status Pull(const std::string& name) {
    NamedImage named = Open(name);
    IMGMOUNT_TRY(const ResolvedImage resolved, ResolveAnew(named));
    observer_.steps.clear();
    observer_.images = 0;
    return PullImage(named, resolved, observer_);
  }
  fs::path InCache(const std::string& below) const {
    return config_.cache_folder / below;
  }
  std::string BlobPath(size_t layer) const {
    return FakeRegistry::BlobPath("app", image_.layer_digest(layer));
  }
  bool HasLayer(size_t layer) const {
    return fs::exists(InCache("blobs/sha256") /
                      image_.layer_digest(layer).hex());
  }
  fs::path Partial(size_t layer) const {
    return InCache("imgmount/partial") / image_.layer_digest(layer).hex();
  }
  std::shared_ptr<PartialBlob> OpenPartial(size_t layer) const {
    auto blob = PartialBlob::Open(Partial(layer), image_.layers[layer].size(),
                                  PartialBlob::Mode::kMake);
    EXPECT_TRUE(blob) << blob.error().message();
    return *std::move(blob);
  }
  // Puts the pieces there, as a mount would.
  void Store(size_t layer, PieceRun run) const {
    const auto partial = OpenPartial(layer);
    const auto claim = partial->ClaimAll(run);
    ASSERT_TRUE(claim && *claim);
    const std::string& bytes = image_.layers[layer];
    ASSERT_TRUE(partial->Store(
        **claim, run.first,
        std::as_bytes(std::span(bytes).subspan(
            run.first_byte(), std::min(run.count() * kPieceBytes,
                                       bytes.size() - run.first_byte())))));
  }
  // Of the requests for a layer, in their order.
  std::vector<std::string> RangesOf(size_t layer) {
    std::vector<std::string> ranges;
    for (const Request& request : registry_.http().requests()) {
      if (request.target == BlobPath(layer)) {
        ranges.push_back(request.Header("range"));
      }
    }
    return ranges;
  }
  // Spoils the answers about one layer.
  void Spoil(size_t layer, std::function<void(Reply&)> spoil) {
    registry_.Intercept(
        [this, path = BlobPath(layer), spoil = std::move(spoil)](
            const Request& request) -> std::optional<Reply> {
          if (request.target != path) return {};
          Reply reply = registry_.Answer(request);
          spoil(reply);
          return reply;
        });
  }

  const testing::TemporaryFolder folder_;
  FetchConfig config_;
  CancelFlag cancel_ = false;
  Recorder observer_;
  const TestImage image_{{LargeTar(1), LargeTar(2), LargeTar(3),
                          TarBuilder().File("a", "b").Build()}};
  FakeRegistry registry_;
};

TEST_F(PullerTest, PullsAnImage) {
  const auto pulled = Pull(Name());
  ASSERT_TRUE(pulled) << pulled.error().message();
  for (size_t i = 0; i < image_.layers.size(); ++i) {
    EXPECT_EQ(Contents(InCache("blobs/sha256") / image_.layer_digest(i).hex()),
              image_.layers[i]);
    EXPECT_THAT(
        observer_.steps[image_.layer_digest(i)],
        AllOf(Contains(Step::kPullingFsLayer), Contains(Step::kDownloading),
              Contains(Step::kVerifyingChecksum),
              Contains(Step::kDownloadComplete)));
    EXPECT_EQ(observer_.steps[image_.layer_digest(i)].back(),
              Step::kPullComplete);
  }
  EXPECT_THAT(observer_.steps[image_.layer_digest(3)],
              Contains(Step::kWaiting));
  EXPECT_THAT(Names(InCache("imgmount/partial")), IsEmpty());

  NamedImage named = Open(Name());
  const auto found = named.cache.Find(*named.reference, named.platform);
  ASSERT_TRUE(found);
  const auto tree = OpenTree(named.cache, *found, 4);
  ASSERT_TRUE(tree);
  EXPECT_TRUE((*tree)->Resolve("large"));
  EXPECT_TRUE((*tree)->Resolve("a"));
}

TEST_F(PullerTest, WhatIsThereIsNotPulledAgain) {
  ASSERT_TRUE(Pull(Name()));
  ASSERT_TRUE(Pull(Name()));
  EXPECT_EQ(observer_.images, 0) << "complete: nothing is shown";
  for (size_t i = 0; i < image_.layers.size(); ++i) {
    EXPECT_EQ(registry_.http().CountOf(BlobPath(i)), 1u);
  }
}

TEST_F(PullerTest, SharedLayersArePulledOnce) {
  ASSERT_TRUE(Pull(Name()));
  const TestImage more({LargeTar(1), LargeTar(9)});
  registry_.AddImage("app", "more", more);
  ASSERT_TRUE(Pull(Name("more")));
  EXPECT_THAT(observer_.steps[more.layer_digest(0)],
              ElementsAre(Step::kAlreadyExists));
  EXPECT_EQ(registry_.http().CountOf(BlobPath(0)), 1u);
}

TEST_F(PullerTest, AnImageThatHasAnotherNameIsNewButItsLayersAreNot) {
  ASSERT_TRUE(Pull(Name()));
  observer_.steps.clear();
  observer_.images = 0;
  registry_.AddImage("app", "alias", image_);
  ASSERT_TRUE(Pull(Name("alias")));
  EXPECT_EQ(observer_.images, 1);
  EXPECT_THAT(observer_.steps, IsEmpty());
}

TEST_F(PullerTest, ADigestIsKnownByTheTagThatWasPulled) {
  ASSERT_TRUE(Pull(Name()));
  observer_.images = 0;
  registry_.AddImage("other", "latest", image_);
  const std::string digest = "@" + image_.manifest_digest().text();
  ASSERT_TRUE(Pull(registry_.authority() + "/app" + digest));
  EXPECT_EQ(observer_.images, 0);
  ASSERT_TRUE(Pull(registry_.authority() + "/other" + digest));
  EXPECT_EQ(observer_.images, 1);
}

TEST_F(PullerTest, ALayerThatStandsTwiceIsPulledOnce) {
  const TestImage twice({LargeTar(5), LargeTar(6), LargeTar(5)});
  registry_.AddImage("app", "twice", twice);
  ASSERT_TRUE(Pull(Name("twice")));
  EXPECT_EQ(registry_.http().CountOf(
                FakeRegistry::BlobPath("app", twice.layer_digest(0))),
            1u);
}

TEST_F(PullerTest, AnIndexLeadsToThePlatform) {
  const TestImage arm({LargeTar(7)}, *Platform::Parse("linux/arm64"));
  registry_.AddImage("app", "", arm);
  registry_.AddManifest("app", "multi", testing::IndexOf({&arm, &image_}),
                        kOciIndex);
  ASSERT_TRUE(Pull(Name("multi")));
  EXPECT_TRUE(HasLayer(0));
  EXPECT_EQ(registry_.http().CountOf(
                FakeRegistry::BlobPath("app", arm.layer_digest(0))),
            0u);

  config_.platform = *Platform::Parse("linux/arm64");
  ASSERT_TRUE(Pull(Name("multi")));
  EXPECT_EQ(registry_.http().CountOf(
                FakeRegistry::BlobPath("app", arm.layer_digest(0))),
            1u);

  config_.platform = *Platform::Parse("linux/s390x");
  NamedImage named = Open(Name("multi"));
  const auto missing = ResolveAnew(named);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("linux/arm64"));
}

TEST_F(PullerTest, WhatIsCachedIsFoundWithoutARequest) {
  {
    NamedImage named = Open(Name());
    ASSERT_TRUE(FindOrResolve(named)) << "from the registry";
  }
  ASSERT_TRUE(Pull(Name()));
  const size_t before = registry_.http().requests().size();
  NamedImage named = Open(Name());
  const auto found = FindOrResolve(named);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->image.manifest_digest, image_.manifest_digest());
  EXPECT_EQ(found->published.digest, image_.manifest_digest());
  EXPECT_EQ(found->published.size, image_.manifest.size());
  NamedImage by_digest =
      Open(registry_.authority() + "/app@" + image_.manifest_digest().text());
  EXPECT_TRUE(FindOrResolve(by_digest));
  EXPECT_EQ(registry_.http().requests().size(), before);
}

TEST_F(PullerTest, ATagThatMovedIsNoticedByAPull) {
  ASSERT_TRUE(Pull(Name()));
  const TestImage newer({LargeTar(1), LargeTar(8)});
  registry_.AddImage("app", "latest", newer);
  ASSERT_TRUE(Pull(Name()));
  EXPECT_EQ(observer_.images, 1);
  NamedImage named = Open(Name());
  EXPECT_EQ(FindOrResolve(named)->image.manifest_digest,
            newer.manifest_digest());
}

// Wrong bytes.

TEST_F(PullerTest, AlwaysAsksOnceWhetherTheTagHasMoved) {
  ASSERT_TRUE(Pull(Name()));
  const auto requests = [this] { return registry_.http().requests().size(); };
  config_.pull = PullPolicy::kAlways;
  size_t before = requests();
  NamedImage named = Open(Name());
  ASSERT_TRUE(FindOrResolve(named));
  ASSERT_EQ(requests(), before + 1);
  EXPECT_EQ(registry_.http().requests().back().method, "HEAD");

  const TestImage other({LargeTar(9)});
  registry_.AddImage("app", "latest", other);
  EXPECT_EQ(FindOrResolve(named)->image.manifest_digest,
            other.manifest_digest());
}

TEST_F(PullerTest, AServerWithoutHeadIsAskedByGet) {
  ASSERT_TRUE(Pull(Name()));
  registry_.Intercept([](const Request& request) -> std::optional<Reply> {
    if (request.method != "HEAD") return {};
    return Reply{.status = 405};
  });
  config_.pull = PullPolicy::kAlways;
  NamedImage named = Open(Name());
  const auto found = FindOrResolve(named);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(registry_.http().requests().back().method, "GET");
}

TEST_F(PullerTest, OfflineTheCacheIsAllThereIs) {
  config_.offline = true;
  {
    NamedImage named = Open(Name());
    const auto missing = FindOrResolve(named);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
    EXPECT_THAT(missing.error().message(),
                AllOf(HasSubstr(Name()), HasSubstr("--offline")));
  }
  EXPECT_EQ(registry_.http().requests().size(), 0u);

  config_.offline = false;
  ASSERT_TRUE(Pull(Name()));
  const size_t before = registry_.http().requests().size();
  config_.pull = PullPolicy::kNever;
  NamedImage named = Open(Name());
  const auto found = FindOrResolve(named);
  ASSERT_TRUE(found) << found.error().message();
  fs::remove(InCache("blobs/sha256") / image_.layer_digest(0).hex());
  const auto pulled = PullImage(named, *found, observer_);
  ASSERT_FALSE(pulled);
  EXPECT_THAT(pulled.error().message(),
              AllOf(HasSubstr(std::string(image_.layer_digest(0).short_hex())),
                    HasSubstr("--pull=never")));
  EXPECT_EQ(registry_.http().requests().size(), before);
}

TEST_F(PullerTest, AWrongBlobIsRefusedAndNothingIsKept) {
  Spoil(1, [](Reply& reply) { reply.body[1000] ^= 1; });
  const auto pulled = Pull(Name());
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(
      pulled.error().message(),
      AllOf(HasSubstr(Name()),
            HasSubstr(std::string(image_.layer_digest(1).short_hex()))));
  EXPECT_FALSE(HasLayer(1));
  EXPECT_FALSE(fs::exists(Partial(1)));
  NamedImage named = Open(Name());
  EXPECT_FALSE(named.cache.FindName(named.name)) << "an image without a layer";
}

TEST_F(PullerTest, AWrongSizeIsRefused) {
  Spoil(1, [](Reply& reply) { reply.body.pop_back(); });
  const auto pulled = Pull(Name());
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kCorrupt);
  EXPECT_FALSE(HasLayer(1));
}

TEST_F(PullerTest, AWrongDiffIdIsRefused) {
  TestImage lying({LargeTar(1)});
  const std::string diff_id = DigestOf(LargeTar(1)).text();
  lying.config.replace(lying.config.find(diff_id), diff_id.size(),
                       DigestOf("other").text());
  const std::string config = DigestOf(lying.config).text();
  const size_t at = lying.manifest.find("sha256:");
  lying.manifest.replace(at, config.size(), config);
  registry_.AddImage("app", "lying", lying);
  const auto pulled = Pull(Name("lying"));
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kCorrupt);

  // Neither does it help that the layer came in with an honest image.
  ASSERT_TRUE(Pull(Name()));
  const auto again = Pull(Name("lying"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::kCorrupt);
}

TEST_F(PullerTest, AnEncryptedLayerIsRefusedBeforeAnyDownload) {
  TestImage encrypted = image_;
  const std::string plain = "tar+gzip";
  encrypted.manifest.replace(encrypted.manifest.find(plain), plain.size(),
                             "tar+gzip+encrypted");
  registry_.AddImage("app", "encrypted", encrypted);
  NamedImage named = Open(Name("encrypted"));
  auto resolved = ResolveAnew(named);
  auto pulled = resolved ? PullImage(named, *resolved, observer_)
                         : Status(Failure(resolved.error()));
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(registry_.http().CountOf(BlobPath(0)), 0u);
}

// Bytes that have arrived are not fetched again.

TEST_F(PullerTest, APullGoesOnWhereAFailedOneEnded) {
  Spoil(0, [](Reply& reply) {
    if (reply.status == 206) {
      reply = Reply{.status = 404};
    } else {
      reply.close_after = 1'500'000;
    }
  });
  const auto failed = Pull(Name());
  ASSERT_FALSE(failed);
  const uint64_t pieces = 1'500'000 / kPieceBytes;
  {
    const auto partial = OpenPartial(0);
    EXPECT_EQ(partial->CountHere(partial->all()), pieces);
  }

  registry_.Intercept({});
  const auto pulled = Pull(Name());
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(RangesOf(0).back(), fmt::format("bytes={}-", pieces * kPieceBytes));
  EXPECT_TRUE(HasLayer(0));
}

TEST_F(PullerTest, GapsAloneAreFetched) {
  ASSERT_TRUE(Cache::Open(config_.cache_folder));
  Store(0, {2, 4});
  Store(0, {5, 30});
  const auto pulled = Pull(Name());
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_THAT(RangesOf(0),
              ElementsAre("bytes=0-131071", "bytes=262144-327679",
                          fmt::format("bytes={}-", 30 * kPieceBytes)));
  EXPECT_TRUE(HasLayer(0));
  EXPECT_THAT(Names(InCache("imgmount/partial")), IsEmpty());
}

TEST_F(PullerTest, PiecesThatAnotherFetchesAreWaitedFor) {
  ASSERT_TRUE(Cache::Open(config_.cache_folder));
  const auto partial = OpenPartial(0);
  auto claim = partial->ClaimMissing({0, 2}, 2);
  ASSERT_TRUE(claim && *claim);
  Spoil(0, [&](Reply&) {
    const auto bytes = std::as_bytes(std::span(image_.layers[0]));
    EXPECT_TRUE(partial->Store(**claim, 0, bytes.first(2 * kPieceBytes)));
    claim->reset();
  });
  const auto pulled = Pull(Name());
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_THAT(RangesOf(0), ElementsAre("bytes=131072-"));
  EXPECT_TRUE(HasLayer(0));
}

TEST_F(PullerTest, ALargeLayerComesOverSeveralConnections) {
  constexpr size_t kConnections = 4;
  config_.pull_options.large_layer = 4 << 20;
  config_.pull_options.max_connections_per_layer = kConnections;
  const TestImage image(
      {TarBuilder().File("large", RandomBytes(9 << 20, 1)).Build()});
  registry_.AddImage("app", "large", image);
  const std::string path = FakeRegistry::BlobPath("app", image.layer_digest(0));
  Mutex mutex;
  CondVar changed;
  std::vector<std::string> ranges;
  // The first is answered at once, as it tells whether there are ranges; then
  // nobody until there are as many as there may be.
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.target != path) return {};
    const MutexLock lock(mutex);
    ranges.push_back(request.Header("range"));
    changed.NotifyAll();
    const size_t awaited = ranges.size() == 1 ? 1 : kConnections + 1;
    while (ranges.size() < awaited) changed.Wait(mutex);
    return {};
  });
  const auto pulled = Pull(Name("large"));
  ASSERT_TRUE(pulled) << pulled.error().message();
  uint64_t asked = 0;
  for (const std::string& range : ranges) {
    const size_t dash = range.find('-');
    const uint64_t first = std::stoul(range.substr(std::strlen("bytes=")));
    const std::string last = range.substr(dash + 1);
    asked +=
        (last.empty() ? image.layers[0].size() : std::stoul(last) + 1) - first;
  }
  EXPECT_EQ(asked, image.layers[0].size()) << "no byte twice";
}

TEST_F(PullerTest, OneConnectionAsksForAllAtOnce) {
  config_.pull_options.large_layer = 1;
  config_.pull_options.max_connections_per_layer = 1;
  ASSERT_TRUE(Pull(Name()));
  EXPECT_THAT(RangesOf(0), ElementsAre(""));
}

TEST_F(PullerTest, ALargeLayerOfAServerWithoutRangesComesAsAWhole) {
  config_.pull_options.large_layer = 1;
  Spoil(0, [&](Reply& reply) { reply = Reply{.body = image_.layers[0]}; });
  const auto pulled = Pull(Name());
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(RangesOf(0).size(), 1u);
  EXPECT_TRUE(HasLayer(0));
}

TEST_F(PullerTest, APartialFileThatIsWholeNeedsNoRequest) {
  ASSERT_TRUE(Cache::Open(config_.cache_folder));
  std::ofstream(Partial(0), std::ios::binary) << image_.layers[0];
  ASSERT_TRUE(Pull(Name()));
  EXPECT_EQ(registry_.http().CountOf(BlobPath(0)), 0u);
  EXPECT_TRUE(HasLayer(0));
}

TEST_F(PullerTest, APartialFileWithWrongBytesIsGivenUp) {
  ASSERT_TRUE(Cache::Open(config_.cache_folder));
  for (const std::string& junk :
       {std::string(1'000'000, 'x'), std::string(9'000'000, 'x')}) {
    fs::remove_all(InCache("blobs"));
    std::ofstream(Partial(0), std::ios::binary) << junk;
    const auto pulled = Pull(Name());
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_EQ(Contents(InCache("blobs/sha256") / image_.layer_digest(0).hex()),
              image_.layers[0]);
  }
}

TEST_F(PullerTest, WhatIsReadBackIsNotToldAsDownloading) {
  ASSERT_TRUE(Cache::Open(config_.cache_folder));
  const std::string& layer = image_.layers[0];
  std::ofstream(Partial(0), std::ios::binary) << layer.substr(0, 1'500'000);
  ASSERT_TRUE(Pull(Name()));
  const auto& told = observer_.downloaded[image_.layer_digest(0)];
  ASSERT_THAT(told, Not(IsEmpty()));
  EXPECT_EQ(told.front(), 1'500'000 / kPieceBytes * kPieceBytes);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), layer.size());
  EXPECT_THAT(observer_.steps[image_.layer_digest(0)],
              ElementsAre(Step::kPullingFsLayer, Step::kVerifyingChecksum,
                          Step::kDownloading, Step::kVerifyingChecksum,
                          Step::kDownloadComplete, Step::kPullComplete));
}

TEST_F(PullerTest, WhatHasThePartialFilesNameIsNotInTheWay) {
  ASSERT_TRUE(Cache::Open(config_.cache_folder));
  const std::vector<std::function<void()>> obstacles = {
      [&] { fs::create_directories(Partial(0) / "folder"); },
      [&] { fs::create_symlink("/nowhere", Partial(0)); },
      [&] { ASSERT_EQ(::mkfifo(Partial(0).c_str(), 0644), 0); },
  };
  for (const auto& obstacle : obstacles) {
    fs::remove_all(InCache("blobs"));
    obstacle();
    const auto pulled = Pull(Name());
    ASSERT_TRUE(pulled) << pulled.error().message();
    EXPECT_TRUE(HasLayer(0));
  }
}

TEST_F(PullerTest, TheFirstErrorStopsTheOthers) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    if (request.target == BlobPath(0)) return Reply{.status = 403};
    Reply reply = registry_.Answer(request);
    // These would never end.
    if (request.target == BlobPath(1) || request.target == BlobPath(2)) {
      reply.stall_after = 1000;
    }
    return reply;
  });
  const auto pulled = Pull(Name());
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kDenied);
}

TEST_F(PullerTest, AnInterruptionKeepsWhatHasArrived) {
  registry_.Intercept([&](const Request& request) -> std::optional<Reply> {
    Reply reply = registry_.Answer(request);
    if (request.target == BlobPath(0)) {
      reply.stall_after = 1'000'000;
      cancel_ = true;
    }
    return reply;
  });
  const auto pulled = Pull(Name());
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kCancelled);
  cancel_ = false;
  registry_.Intercept({});
  EXPECT_TRUE(Pull(Name()));
}

TEST_F(PullerTest, AWaitForAnotherProcessIsInterrupted) {
  class Impatient : public Recorder {
   public:
    explicit Impatient(CancelFlag& cancel) : cancel_(cancel) {}
    void OnLayer(const Digest&, Step step, uint64_t, uint64_t) override {
      if (step == Step::kWaiting) cancel_ = true;
    }

   private:
    CancelFlag& cancel_;
  };
  registry_.AddImage("app", "small", TestImage({LargeTar(1)}));
  NamedImage named = Open(Name("small"));
  const auto resolved = ResolveAnew(named);
  ASSERT_TRUE(resolved);
  const auto other = named.cache.LockLayer(image_.layer_digest(0));
  ASSERT_TRUE(other);
  Impatient observer(cancel_);
  const auto pulled = PullImage(named, *resolved, observer);
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kCancelled);
}

// Derived files.

TEST_F(PullerTest, ABlobWithoutDerivedFilesIsIndexedAgain) {
  ASSERT_TRUE(Pull(Name()));
  fs::remove_all(InCache("imgmount/layers") / image_.layer_digest(0).hex());
  ASSERT_TRUE(Pull(Name()));
  EXPECT_THAT(observer_.steps[image_.layer_digest(0)],
              ElementsAre(Step::kPullingFsLayer, Step::kExtracting,
                          Step::kPullComplete));
  EXPECT_EQ(registry_.http().CountOf(BlobPath(0)), 1u);
}

TEST_F(PullerTest, ADamagedBlobIsFetchedAgain) {
  ASSERT_TRUE(Pull(Name()));
  fs::remove_all(InCache("imgmount/layers") / image_.layer_digest(0).hex());
  std::ofstream(InCache("blobs/sha256") / image_.layer_digest(0).hex())
      << "spoilt";
  ASSERT_TRUE(Pull(Name()));
  EXPECT_EQ(Contents(InCache("blobs/sha256") / image_.layer_digest(0).hex()),
            image_.layers[0]);
}

TEST_F(PullerTest, ALayerIsPulledAgainWhereNothingOfItIsIntact) {
  ASSERT_TRUE(Pull(Name()));
  const std::string hex(image_.layer_digest(0).hex());
  for (const std::string& spoilt :
       {"blobs/sha256/" + hex, "imgmount/layers/" + hex + "/index"}) {
    ASSERT_TRUE(fs::exists(InCache(spoilt))) << spoilt;
    std::ofstream(InCache(spoilt)) << "spoilt";
  }
  fs::remove_all(InCache("imgmount/trees"));
  fs::create_directory(InCache("imgmount/trees"));
  const auto pulled = Pull(Name());
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(Contents(InCache("blobs/sha256") / hex), image_.layers[0]);
  EXPECT_EQ(registry_.http().CountOf(BlobPath(0)), 2u);
  EXPECT_EQ(registry_.http().CountOf(BlobPath(1)), 1u);
}

TEST_F(PullerTest, WhatHasABlobsNameAndIsNoFileIsReplaced) {
  ASSERT_TRUE(Pull(Name()));
  fs::remove_all(InCache("imgmount/layers") / image_.layer_digest(0).hex());
  const fs::path blob = InCache("blobs/sha256") / image_.layer_digest(0).hex();
  fs::remove(blob);
  fs::create_directory(blob);
  const auto pulled = Pull(Name());
  ASSERT_TRUE(pulled) << pulled.error().message();
  EXPECT_EQ(Contents(blob), image_.layers[0]);
}

// Image layouts.

TEST_F(PullerTest, ALayoutIsReadInPlace) {
  const fs::path layout = folder_.path() / "layout";
  WriteLayout(image_, layout, "v1");
  const std::string index = Contents(layout / "index.json");
  for (const std::string name : {":v1", ""}) {
    const auto pulled = Pull("oci:" + layout.string() + name);
    ASSERT_TRUE(pulled) << pulled.error().message();
  }
  EXPECT_THAT(Names(InCache("blobs/sha256")), IsEmpty());
  EXPECT_EQ(Contents(layout / "index.json"), index);
  EXPECT_EQ(registry_.http().requests().size(), 0u);

  NamedImage named = Open("oci:" + layout.string() + ":v2");
  const auto missing = FindOrResolve(named);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("v1"));
}

TEST_F(PullerTest, ALayoutThatLacksALayerIsNamed) {
  const fs::path layout = folder_.path() / "layout";
  WriteLayout(image_, layout, "v1");
  fs::remove(layout / "blobs/sha256" / image_.layer_digest(2).hex());
  const auto pulled = Pull("oci:" + layout.string() + ":v1");
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(pulled.error().message(),
              HasSubstr(std::string(image_.layer_digest(2).hex())));
}

TEST_F(PullerTest, ADamagedLayoutIsNotRepaired) {
  const fs::path layout = folder_.path() / "layout";
  WriteLayout(image_, layout, "v1");
  const fs::path blob = layout / "blobs/sha256" / image_.layer_digest(2).hex();
  std::ofstream(blob) << "spoilt";
  const auto pulled = Pull("oci:" + layout.string() + ":v1");
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(fs::exists(blob));
}

}  // namespace
}  // namespace imgmount
