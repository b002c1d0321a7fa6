// SPDX-License-Identifier: Apache-2.0
#include "fetch/range/range_fetcher.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fetch/range/lazy_blob.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using std::chrono::milliseconds;
using ::testing::Each;
using ::testing::Le;
using ::testing::SizeIs;
using Priority = RangeFetcher::Priority;

constexpr uint64_t kPieces = 160;  // 10 MiB

// A server whose manners a test decides.
class FakeSource : public Source {
 public:
  struct Request {
    uint64_t first;
    uint64_t end;
    bool operator==(const Request&) const = default;
  };

  explicit FakeSource(const std::string& blob) : blob_(blob) {}

  Result<Document> FetchManifest(const std::string&) override {
    return Fail(ErrorCode::kNotFound, "none");
  }
  Result<std::string> FetchSmallBlob(const Descriptor&) override {
    return Fail(ErrorCode::kNotFound, "none");
  }
  Status FetchBlob(const Descriptor&, uint64_t, BlobSink&) override {
    return Fail(ErrorCode::kNotFound, "none");
  }
  std::string server() const override { return "the.server"; }

  Status FetchRange(const Descriptor&, uint64_t first, uint64_t end,
                    RangeSink& sink) override {
    {
      std::unique_lock lock(mutex_);
      requests_.push_back({first, end});
      at_once_ = std::max(at_once_, ++under_way_);
      changed_.notify_all();
    }
    const auto sent =
        answer_ ? answer_(first, end, sink) : Send(first, end, sink);
    std::unique_lock lock(mutex_);
    --under_way_;
    return sent;
  }

  // Called in place of sending what was asked for.
  using Answer =
      std::function<Status(uint64_t first, uint64_t end, RangeSink& sink)>;
  void AnswerBy(Answer answer) { answer_ = std::move(answer); }

  // Sends it, as TCP would cut it.
  Status Send(uint64_t first, uint64_t end, RangeSink& sink) {
    IMGMOUNT_CHECK(sink.Begin(first, end));
    return Write(first, end, sink);
  }
  Status Write(uint64_t first, uint64_t end, RangeSink& sink) {
    constexpr uint64_t kAtATime = 50'000;
    for (; first < end; first += kAtATime) {
      const uint64_t n = std::min(kAtATime, end - first);
      sent_ += n;
      IMGMOUNT_CHECK(
          sink.Write(std::as_bytes(std::span(blob_)).subspan(first, n)));
    }
    return {};
  }

  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  void AwaitRequests(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return requests_.size() >= count; });
  }
  size_t most_at_once() const {
    const std::lock_guard lock(mutex_);
    return at_once_;
  }
  uint64_t sent() const { return sent_; }

 private:
  const std::string& blob_;
  Answer answer_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Request> requests_;
  size_t under_way_ = 0;
  size_t at_once_ = 0;
  std::atomic<uint64_t> sent_ = 0;
};

// A gate that requests wait at.
class Gate {
 public:
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void Pass(const RangeSink& sink) {
    std::unique_lock lock(mutex_);
    while (!open_ && !sink.stopped()) {
      changed_.wait_for(lock, milliseconds(5));
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

class RangeFetcherTest : public ::testing::Test {
 protected:
  std::shared_ptr<PartialBlob> Open() const {
    return *PartialBlob::Open(folder_.path() / "blob", bytes_.size(),
                              PartialBlob::Mode::kMake);
  }
  // To call before what the source's answers use goes.
  void Stop() {
    lazy_.reset();
    fetcher_.reset();
  }
  void Start(RangeFetcher::Options options = {}) {
    Stop();
    fetcher_ = std::make_unique<RangeFetcher>(options);
    partial_ = Open();
    lazy_ =
        std::make_unique<LazyBlob>(*fetcher_, source_, descriptor_, partial_);
  }
  // By Read(): what it gives, or the error's message.
  std::string Read(uint64_t offset, uint64_t length) {
    std::string out(length, '\0');
    const auto n = lazy_->Read(offset, std::as_writable_bytes(std::span(out)));
    if (!n) return n.error().message();
    out.resize(*n);
    return out;
  }
  std::string Bytes(uint64_t offset, uint64_t length) const {
    return bytes_.substr(offset, length);
  }
  // By Await(): a wait, and what comes of it.
  struct Awaited {
    std::unique_ptr<BlobWait> wait;
    std::future<Status> result;
    std::shared_ptr<std::atomic<int>> calls;
  };
  Awaited Await(PieceRun run) {
    auto promise = std::make_shared<std::promise<Status>>();
    auto calls = std::make_shared<std::atomic<int>>(0);
    Awaited awaited{nullptr, promise->get_future(), calls};
    awaited.wait = lazy_->Await(run.first_byte(), run.count() * kPieceBytes,
                                [promise, calls](const Status& status) {
                                  ++*calls;
                                  promise->set_value(status);
                                });
    // They are here already, and nobody calls.
    if (!awaited.wait) promise->set_value({});
    return awaited;
  }

  const testing::TemporaryFolder folder_;
  Gate gate_;
  const std::string bytes_ =
      testing::RandomBytes(kPieces * kPieceBytes - 1000, 3);
  const Descriptor descriptor_{
      .media_type = "", .digest = DigestOf(bytes_), .size = bytes_.size()};
  FakeSource source_{bytes_};
  std::unique_ptr<RangeFetcher> fetcher_;
  std::shared_ptr<PartialBlob> partial_;
  std::unique_ptr<LazyBlob> lazy_;
};

TEST_F(RangeFetcherTest, AReadFetchesWhatItNeedsAndALittleMore) {
  Start();
  EXPECT_EQ(Read(3'000'000, 1000), Bytes(3'000'000, 1000));
  const uint64_t first = 3'000'000 / kPieceBytes * kPieceBytes;
  EXPECT_THAT(source_.requests(),
              ElementsAre(FakeSource::Request{first, first + (256 << 10)}));
  EXPECT_EQ(Read(3'000'500, 100'000), Bytes(3'000'500, 100'000));
  EXPECT_THAT(source_.requests(), SizeIs(1)) << "it is here";
  EXPECT_EQ(Read(bytes_.size() - 5, 100), bytes_.substr(bytes_.size() - 5));
  EXPECT_EQ(source_.requests().back().end, bytes_.size());
  EXPECT_EQ(Read(bytes_.size() + 5, 100), "");
}

TEST_F(RangeFetcherTest, NothingIsFetchedTwice) {
  Start();
  EXPECT_EQ(Read(1 << 20, 1 << 20), Bytes(1 << 20, 1 << 20));
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
  EXPECT_EQ(source_.sent(), bytes_.size());
  EXPECT_EQ(*partial_->CountHere(partial_->all()), kPieces);
}

TEST_F(RangeFetcherTest, AnAwaitedRangeIsToldOfOnce) {
  Start();
  Awaited awaited = Await({4, 9});
  ASSERT_TRUE(awaited.wait);
  EXPECT_TRUE(awaited.result.get());
  EXPECT_FALSE(Await({4, 9}).wait) << "it is here";
  EXPECT_FALSE(Await({kPieces + 1, kPieces + 2}).wait) << "it never will be";
}

TEST_F(RangeFetcherTest, AWaitThatIsGivenUpIsNotToldOfAnything) {
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        gate_.Pass(sink);
        return source_.Send(first, end, sink);
      });
  Start();
  Awaited given_up = Await({4, 9});
  source_.AwaitRequests(1);
  given_up.wait.reset();
  Awaited other = Await({5, 6});
  gate_.Open();
  EXPECT_TRUE(other.result.get());
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
  EXPECT_EQ(*given_up.calls, 0);
}

TEST_F(RangeFetcherTest, WhatIsGivenUpBeforeItsTurnIsNotFetched) {
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        gate_.Pass(sink);
        return source_.Send(first, end, sink);
      });
  Start({.connections = 1});
  Awaited first = Await({0, 1});
  source_.AwaitRequests(1);
  Awaited given_up = Await({50, 60});
  Awaited last = Await({100, 101});
  given_up.wait.reset();
  gate_.Open();
  EXPECT_TRUE(first.result.get());
  EXPECT_TRUE(last.result.get());
  EXPECT_THAT(source_.requests(), SizeIs(2));
}

TEST_F(RangeFetcherTest, OneConnectionAsksUntilTheServerKnowsRanges) {
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        if (first == 0) gate_.Pass(sink);
        return source_.Send(first, end, sink);
      });
  Start();
  std::vector<Awaited> reads;
  reads.push_back(Await({0, 1}));
  source_.AwaitRequests(1);
  for (uint64_t piece = 20; piece < 100; piece += 20) {
    reads.push_back(Await({piece, piece + 1}));
  }
  EXPECT_EQ(source_.most_at_once(), 1u);
  gate_.Open();
  for (Awaited& read : reads) EXPECT_TRUE(read.result.get());
}

TEST_F(RangeFetcherTest, ALargeWantIsSharedOutAmongTheConnections) {
  // Each waits until all have begun.
  std::mutex mutex;
  std::condition_variable all_here;
  size_t here = 0;
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        IMGMOUNT_CHECK(sink.Begin(first, end));
        {
          std::unique_lock lock(mutex);
          ++here;
          all_here.notify_all();
          all_here.wait(lock, [&] { return here >= 4; });
        }
        return source_.Write(first, end, sink);
      });
  Start({.connections = 4});
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
  EXPECT_EQ(source_.most_at_once(), 4u);
  EXPECT_EQ(source_.sent(), bytes_.size());
  for (const auto& request : source_.requests()) {
    EXPECT_LE(request.end - request.first, bytes_.size() / 8 + (1 << 20));
  }
}

TEST_F(RangeFetcherTest, RequestsHaveABound) {
  Start({.connections = 1, .most_at_once = 2 << 20});
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
  EXPECT_THAT(source_.requests(), SizeIs(5));
  for (const auto& request : source_.requests()) {
    EXPECT_LE(request.end - request.first, 2u << 20);
  }
}

TEST_F(RangeFetcherTest, NeighboursAreOneRequest) {
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        if (first == 0) gate_.Pass(sink);
        return source_.Send(first, end, sink);
      });
  Start({.connections = 1});
  Awaited first = Await({0, 1});
  source_.AwaitRequests(1);
  Awaited a = Await({50, 56});
  Awaited b = Await({56, 60});
  lazy_->WillNeed(60 * kPieceBytes, 10 * kPieceBytes);
  gate_.Open();
  EXPECT_TRUE(a.result.get());
  EXPECT_TRUE(b.result.get());
  EXPECT_THAT(
      source_.requests(),
      ElementsAre(FakeSource::Request{0, 4 * kPieceBytes},
                  FakeSource::Request{50 * kPieceBytes, 70 * kPieceBytes}));
}

TEST_F(RangeFetcherTest, ReadsComeBeforeWishesAndThoseBeforeTheRest) {
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        if (first == 0) gate_.Pass(sink);
        return source_.Send(first, end, sink);
      });
  Start({.connections = 1});
  Awaited first = Await({0, 1});
  source_.AwaitRequests(1);
  std::promise<Status> filled;
  const auto fill =
      lazy_->Fill([&](const Status& status) { filled.set_value(status); });
  lazy_->WillNeed(100 * kPieceBytes, 1);
  Awaited read = Await({50, 51});
  gate_.Open();
  EXPECT_TRUE(filled.get_future().get());
  std::vector<uint64_t> firsts;
  for (const auto& request : source_.requests()) {
    firsts.push_back(request.first / kPieceBytes);
  }
  ASSERT_GT(firsts.size(), 3u);
  firsts.resize(4);
  EXPECT_THAT(firsts, ElementsAre(0, 50, 100, 4));
  EXPECT_EQ(source_.sent(), bytes_.size());
}

TEST_F(RangeFetcherTest, WhileAReadWaitsNothingIsFilledUp) {
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        if (first == 50 * kPieceBytes) gate_.Pass(sink);
        return source_.Send(first, end, sink);
      });
  Start();
  ASSERT_EQ(Read(0, 1), Bytes(0, 1));
  Awaited read = Await({50, 51});
  source_.AwaitRequests(2);
  std::promise<Status> filled;
  const auto fill =
      lazy_->Fill([&](const Status& status) { filled.set_value(status); });
  ASSERT_EQ(Read(100 * kPieceBytes, 1), Bytes(100 * kPieceBytes, 1));
  EXPECT_THAT(source_.requests(), SizeIs(3));
  gate_.Open();
  EXPECT_TRUE(filled.get_future().get());
}

TEST_F(RangeFetcherTest, WishesLeaveAConnectionForReads) {
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        if (first >= 20 * kPieceBytes) gate_.Pass(sink);
        return source_.Send(first, end, sink);
      });
  Start({.connections = 3});
  ASSERT_EQ(Read(0, 1), Bytes(0, 1));
  for (uint64_t piece = 20; piece < 140; piece += 20) {
    lazy_->WillNeed(piece * kPieceBytes, 1);
  }
  source_.AwaitRequests(3);
  EXPECT_EQ(Read(10 * kPieceBytes, 1), Bytes(10 * kPieceBytes, 1));
  gate_.Open();
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
}

// Servers.

TEST_F(RangeFetcherTest, WhoSendsTheWholeBlobIsAskedOnce) {
  source_.AnswerBy([&](uint64_t, uint64_t, RangeSink& sink) -> Status {
    return source_.Send(0, bytes_.size(), sink);
  });
  Start();
  std::vector<Awaited> reads;
  for (const uint64_t piece : {90, 20, 150}) {
    reads.push_back(Await({piece, piece + 2}));
  }
  for (Awaited& read : reads) EXPECT_TRUE(read.result.get());
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
  EXPECT_THAT(source_.requests(), SizeIs(1));
  EXPECT_EQ(source_.sent(), bytes_.size());
}

TEST_F(RangeFetcherTest, WhoSendsTheWholeLaterDoesSoOnce) {
  // A pull-through cache that has lost the blob meanwhile.
  std::atomic<int> answers = 0;
  std::atomic<int> refused = 0;
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        if (answers++ == 0) return source_.Send(first, end, sink);
        gate_.Pass(sink);
        if (auto begun = sink.Begin(0, bytes_.size()); !begun) {
          ++refused;
          return begun;
        }
        while (refused < 2) std::this_thread::yield();
        return source_.Write(0, bytes_.size(), sink);
      });
  Start({.connections = 3});
  ASSERT_EQ(Read(0, 1), Bytes(0, 1));
  std::vector<Awaited> reads;
  for (const uint64_t piece : {90, 20, 150}) {
    reads.push_back(Await({piece, piece + 2}));
  }
  source_.AwaitRequests(4);
  gate_.Open();
  for (Awaited& read : reads) EXPECT_TRUE(read.result.get());
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
  EXPECT_THAT(source_.requests(), SizeIs(4));
  Stop();
}

TEST_F(RangeFetcherTest, ATransferMayGoOnInTheMiddleOfAPiece) {
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        const uint64_t broken = first + (end - first) / 2 + 7;
        IMGMOUNT_CHECK(sink.Begin(first, end));
        IMGMOUNT_CHECK(source_.Write(first, broken, sink));
        return source_.Send(broken, end, sink);
      });
  Start();
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
}

TEST_F(RangeFetcherTest, AnAnswerThatBeginsElsewhereIsPutWhereItBelongs) {
  source_.AnswerBy([&](uint64_t first, uint64_t end,
                       RangeSink& sink) -> Status {
    return source_.Send(first - std::min<uint64_t>(first, 100'001), end, sink);
  });
  Start();
  EXPECT_EQ(Read(80 * kPieceBytes, 1 << 20), Bytes(80 * kPieceBytes, 1 << 20));
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
}

TEST_F(RangeFetcherTest, ASourceWithoutRangesSendsWhatFollows) {
  class Stream : public FakeSource {
   public:
    using FakeSource::FakeSource;
    Status FetchRange(const Descriptor& descriptor, uint64_t first,
                      uint64_t end, RangeSink& sink) override {
      return Source::FetchRange(descriptor, first, end, sink);
    }
    Status FetchBlob(const Descriptor& descriptor, uint64_t offset,
                     BlobSink& sink) override {
      ++blobs;
      std::vector<std::byte> rest(descriptor.size - offset);
      return sink.Write(rest);
    }
    std::atomic<int> blobs = 0;
  } stream(bytes_);
  RangeFetcher fetcher({});
  partial_ = Open();
  LazyBlob lazy(fetcher, stream, descriptor_, partial_);
  std::vector<std::byte> out(10);
  EXPECT_TRUE(lazy.Read(100 * kPieceBytes, out));
  EXPECT_TRUE(lazy.Read(140 * kPieceBytes, out));
  EXPECT_EQ(stream.blobs, 1);
}

TEST_F(RangeFetcherTest, MoreThanTheBlobIsRefused) {
  source_.AnswerBy([&](uint64_t, uint64_t, RangeSink& sink) -> Status {
    IMGMOUNT_CHECK(source_.Send(0, bytes_.size(), sink));
    return sink.Write(std::as_bytes(std::span("x", 1)));
  });
  Start();
  Awaited awaited = Await({0, kPieces});
  EXPECT_TRUE(awaited.result.get()) << "all of it came before";
  EXPECT_EQ(Read(0, bytes_.size()), bytes_);
}

TEST_F(RangeFetcherTest, LessThanWasAskedForIsAnError) {
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        return source_.Send(first, end - 1, sink);
      });
  Start();
  EXPECT_EQ(Read(0, 10), Bytes(0, 10));
  EXPECT_THAT(Read(500'000, 300'000), HasSubstr("shorter than"));
}

// Failures.

TEST_F(RangeFetcherTest, AnErrorIsToldWithTheLayersName) {
  source_.AnswerBy([&](uint64_t, uint64_t, RangeSink&) -> Status {
    return Fail(ErrorCode::kDenied, "the.server: forbidden");
  });
  Start();
  EXPECT_EQ(Read(0, 10), fmt::format("layer {}: the.server: forbidden",
                                     descriptor_.digest.short_hex()));
  EXPECT_THAT(source_.requests(), SizeIs(1));
  source_.AnswerBy({});
  EXPECT_EQ(Read(0, 10), Bytes(0, 10)) << "the next read tries again";
}

TEST_F(RangeFetcherTest, AServerThatIsAwayForAWhileIsWaitedFor) {
  std::atomic<int> failures = 2;
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        if (failures-- > 0) {
          return Status(Fail(ErrorCode::kUnavailable, "the.server: away"));
        }
        return source_.Send(first, end, sink);
      });
  Start();
  EXPECT_EQ(Read(0, 10), Bytes(0, 10));
  EXPECT_THAT(source_.requests(), SizeIs(3));
}

TEST_F(RangeFetcherTest, PatienceEnds) {
  source_.AnswerBy([&](uint64_t, uint64_t, RangeSink&) -> Status {
    return Fail(ErrorCode::kUnavailable, "the.server: no route to host");
  });
  Start({.patience = milliseconds(50)});
  EXPECT_THAT(Read(0, 10),
              AllOf(HasSubstr(std::string(descriptor_.digest.short_hex())),
                    HasSubstr("the.server: no route to host")));
  // As well when nothing at all is said.
  source_.AnswerBy([&](uint64_t, uint64_t, RangeSink& sink) -> Status {
    gate_.Pass(sink);
    return Fail(ErrorCode::kUnavailable, "the.server: away");
  });
  Start({.patience = milliseconds(50)});
  EXPECT_THAT(Read(0, 10), HasSubstr("the.server"));
}

TEST_F(RangeFetcherTest, WithoutPatienceTheSourcesErrorIsTheAnswer) {
  source_.AnswerBy([&](uint64_t, uint64_t, RangeSink&) -> Status {
    return Fail(ErrorCode::kUnavailable, "the.server: away");
  });
  Start({.patience = milliseconds(0)});
  EXPECT_THAT(Read(0, 10), HasSubstr("the.server: away"));
  EXPECT_THAT(source_.requests(), SizeIs(1));
}

TEST_F(RangeFetcherTest, WhoFillsWaitsForTheNetworkAsLongAsItLikes) {
  std::atomic<int> failures = 1;
  source_.AnswerBy(
      [&](uint64_t first, uint64_t end, RangeSink& sink) -> Status {
        if (failures-- > 0) {
          return Status(Fail(ErrorCode::kUnavailable, "the.server: away"));
        }
        return source_.Send(first, end, sink);
      });
  Start({.patience = milliseconds(1)});
  std::promise<Status> filled;
  const auto fill =
      lazy_->Fill([&](const Status& status) { filled.set_value(status); });
  EXPECT_TRUE(filled.get_future().get());
  EXPECT_FALSE(lazy_->Fill([](const Status&) {}));
}

TEST_F(RangeFetcherTest, ItsEndEndsWaits) {
  source_.AnswerBy([&](uint64_t, uint64_t, RangeSink& sink) -> Status {
    gate_.Pass(sink);
    return Fail(ErrorCode::kCancelled, "stopped");
  });
  Start();
  Awaited awaited = Await({0, 1});
  source_.AwaitRequests(1);
  fetcher_->Remove(fetcher_->Add(source_, descriptor_, partial_));
  const auto other = fetcher_->Add(source_, descriptor_, Open());
  std::promise<Status> promise;
  const auto wait =
      fetcher_->Await(other, {5, 6}, Priority::kRead,
                      [&](const Status& status) { promise.set_value(status); });
  lazy_.reset();
  fetcher_.reset();
  const Status status = promise.get_future().get();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(*awaited.calls, 0) << "its blob was removed";
}

TEST_F(RangeFetcherTest, WrongBytesAreFetchedAgain) {
  Start();
  ASSERT_EQ(Read(0, 10), Bytes(0, 10));
  EXPECT_TRUE(lazy_->Refetch(0, 10));
  EXPECT_EQ(Read(0, 10), Bytes(0, 10));
  EXPECT_THAT(source_.requests(),
              ElementsAre(FakeSource::Request{0, 4 * kPieceBytes},
                          FakeSource::Request{0, kPieceBytes}));
}

// Others.

TEST_F(RangeFetcherTest, WhatAnotherProcessFetchesIsWaitedFor) {
  Start();
  const auto other = Open();
  auto claim = *other->ClaimMissing({10, 20}, 10);
  ASSERT_TRUE(claim);
  Awaited awaited = Await({8, 22});
  source_.AwaitRequests(2);
  ASSERT_TRUE(other->Store(*claim, 10,
                           std::as_bytes(std::span(bytes_))
                               .subspan(10 * kPieceBytes, 10 * kPieceBytes)));
  EXPECT_TRUE(awaited.result.get());
  EXPECT_EQ(Read(8 * kPieceBytes, 14 * kPieceBytes),
            Bytes(8 * kPieceBytes, 14 * kPieceBytes));
  for (const auto& request : source_.requests()) {
    EXPECT_TRUE(request.end <= 10 * kPieceBytes ||
                request.first >= 20 * kPieceBytes);
  }
}

TEST_F(RangeFetcherTest, WhatAnotherProcessGivesUpIsFetched) {
  Start();
  const auto other = Open();
  auto claim = *other->ClaimMissing({10, 20}, 10);
  Awaited awaited = Await({10, 12});
  claim.reset();
  EXPECT_TRUE(awaited.result.get());
  EXPECT_EQ(Read(10 * kPieceBytes, 10), Bytes(10 * kPieceBytes, 10));
}

TEST_F(RangeFetcherTest, TwoFetchersFetchNoPieceTwice) {
  Start();
  const auto other_partial = Open();
  RangeFetcher other_fetcher({});
  LazyBlob other(other_fetcher, source_, descriptor_, other_partial);
  const auto read_all = [&](BlobSource& blob) {
    std::string out(bytes_.size(), '\0');
    EXPECT_TRUE(blob.Read(0, std::as_writable_bytes(std::span(out))));
    EXPECT_EQ(out, bytes_);
  };
  {
    const std::jthread a([&] { read_all(*lazy_); });
    const std::jthread b([&] { read_all(other); });
  }
  EXPECT_EQ(source_.sent(), bytes_.size());
}

// Limits.

TEST_F(RangeFetcherTest, NothingBeyondTheLimitIsFetched) {
  for (const bool whole : {false, true}) {
    std::filesystem::remove(folder_.path() / "blob");
    if (whole) {
      source_.AnswerBy([&](uint64_t, uint64_t, RangeSink& sink) -> Status {
        return source_.Send(0, bytes_.size(), sink);
      });
    }
    lazy_.reset();
    fetcher_ = std::make_unique<RangeFetcher>(RangeFetcherOptions{});
    partial_ = Open();
    const auto blob = fetcher_->Add(source_, descriptor_, partial_);
    fetcher_->SetLimit(blob, 40);
    std::promise<Status> all;
    const auto wait =
        fetcher_->Await(blob, partial_->all(), Priority::kRead,
                        [&](const Status& status) { all.set_value(status); });
    std::promise<Status> some;
    const auto first =
        fetcher_->Await(blob, {0, 40}, Priority::kRead,
                        [&](const Status& status) { some.set_value(status); });
    if (first) {
      EXPECT_TRUE(some.get_future().get());
    }
    EXPECT_EQ(*partial_->FirstMissing(partial_->all()),
              (PieceRun{40, kPieces}));
    fetcher_->SetLimit(blob, kPieces);
    EXPECT_TRUE(all.get_future().get());
    fetcher_.reset();
    partial_.reset();
  }
}

}  // namespace
}  // namespace imgmount
