// SPDX-License-Identifier: Apache-2.0
#include "fs/read/span_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace imgmount {
namespace {

constexpr uint64_t kLength = 4 << 20;

// Span `span` of a layer; long ones do not reach into the next.
struct TestSpan {
  uint64_t layer = 0;
  size_t span = 0;
};

std::byte ByteAt(const TestSpan& key, uint64_t offset) {
  return static_cast<std::byte>(key.layer * 31 + key.span * 7 + offset / 4096);
}

// Counts what the fake decoders of a test did, and says what they shall do.
struct Decoding {
  std::atomic<int> started{0};
  std::atomic<uint64_t> decoded{0};
  std::atomic<int> at_work{0};
  std::atomic<int> most_at_work{0};
  std::atomic<uint64_t> fail_at{~uint64_t{0}};
  std::function<void(uint64_t end)> on_decode;
};

class FakeDecoder : public SpanDecoder {
 public:
  FakeDecoder(Decoding& decoding, const TestSpan& key, std::span<std::byte> out)
      : decoding_(decoding), key_(key), out_(out) {
    ++decoding_.started;
  }

  Status DecodeTo(uint64_t end) override {
    const int now = ++decoding_.at_work;
    for (int most = decoding_.most_at_work;
         now > most &&
         !decoding_.most_at_work.compare_exchange_weak(most, now);) {
    }
    if (decoding_.on_decode) decoding_.on_decode(end);
    end = std::min<uint64_t>(
        (end + kBlockBytes - 1) / kBlockBytes * kBlockBytes, out_.size());
    Status status;
    while (ready_ < end && status) {
      if (ready_ >= decoding_.fail_at) {
        status = Fail(ErrorCode::kCorrupt, "wrong checksum");
        break;
      }
      const uint64_t stop =
          std::min<uint64_t>(ready_ + kBlockBytes, out_.size());
      for (uint64_t i = ready_; i < stop; i += 4096) {
        std::memset(&out_[i], std::to_integer<int>(ByteAt(key_, i)),
                    std::min<uint64_t>(4096, stop - i));
      }
      decoding_.decoded += stop - ready_;
      ready_ = stop;
    }
    --decoding_.at_work;
    return status;
  }
  uint64_t ready() const override { return ready_; }

 private:
  Decoding& decoding_;
  const TestSpan key_;
  const std::span<std::byte> out_;
  uint64_t ready_ = 0;
};

class FakeSource : public SpanSource {
 public:
  FakeSource(Decoding& decoding, uint64_t layer)
      : decoding_(decoding), layer_(layer) {}
  Result<std::unique_ptr<SpanDecoder>> StartDecoder(
      size_t number, std::span<std::byte> out) const override {
    return std::make_unique<FakeDecoder>(decoding_, TestSpan{layer_, number},
                                         out);
  }

 private:
  Decoding& decoding_;
  const uint64_t layer_;
};

// A cache, and one reader of it.
class TestCache {
 public:
  TestCache(Decoding& decoding, size_t capacity)
      : decoding_(decoding), cache_(capacity) {}

  Result<PinnedBytes> Get(const TestSpan& span, uint64_t length, uint64_t end) {
    return cache_.Get({KeyOf(span, length), span.span, SourceOf(span.layer)},
                      end);
  }
  void Prepare(const TestSpan& span, uint64_t length, uint64_t end) {
    cache_.Prepare({KeyOf(span, length), span.span, SourceOf(span.layer)}, end);
  }
  void Forget(const TestSpan& span) { cache_.Forget(KeyOf(span, kLength)); }
  bool Has(const TestSpan& span, uint64_t end) {
    return cache_.Has(KeyOf(span, kLength), end);
  }
  size_t mapped_bytes() const { return cache_.mapped_bytes(); }

 private:
  static SpanKey KeyOf(const TestSpan& span, uint64_t length) {
    return {span.layer, span.span * 2 * kLength, length};
  }
  const std::shared_ptr<const SpanSource>& SourceOf(uint64_t layer) {
    const std::lock_guard lock(mutex_);
    auto& source = sources_[layer];
    if (!source) source = std::make_shared<FakeSource>(decoding_, layer);
    return source;
  }

  Decoding& decoding_;
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<const SpanSource>> sources_;
  SpanCache cache_;
};

class SpanCacheTest : public testing::Test {
 protected:
  std::unique_ptr<TestCache> Make(size_t capacity) {
    return std::make_unique<TestCache>(decoding_, capacity);
  }

  static void ExpectBytes(const PinnedBytes& bytes, const TestSpan& key,
                          uint64_t size) {
    ASSERT_EQ(bytes.bytes.size(), size);
    for (uint64_t i = 0; i < size; i += 1021) {
      ASSERT_EQ(bytes.bytes[i], ByteAt(key, i)) << i;
    }
  }

  Decoding decoding_;
};

TEST_F(SpanCacheTest, GivesTheFirstBytesWithoutDecodingTheRest) {
  const auto cache = Make(32 << 20);
  const auto bytes = cache->Get({0, 1}, kLength, 1000);
  ASSERT_TRUE(bytes);
  ExpectBytes(*bytes, {0, 1}, 1000);
  EXPECT_EQ(decoding_.decoded, kBlockBytes);
}

TEST_F(SpanCacheTest, GoesOnWhereTheLastReaderLeftTheDecoder) {
  const auto cache = Make(32 << 20);
  ASSERT_TRUE(cache->Get({0, 1}, kLength, 1000));
  ASSERT_TRUE(cache->Get({0, 1}, kLength, kBlockBytes + 1));
  EXPECT_EQ(decoding_.decoded, 2 * kBlockBytes);
  const auto all = cache->Get({0, 1}, kLength, kLength);
  ASSERT_TRUE(all);
  ExpectBytes(*all, {0, 1}, kLength);
  EXPECT_EQ(decoding_.decoded, kLength);
  EXPECT_EQ(decoding_.started, 1);
}

TEST_F(SpanCacheTest, ForgetsWhatNobodyIsAtWorkOn) {
  const auto cache = Make(32 << 20);
  ASSERT_TRUE(cache->Get({0, 1}, kLength, kLength));
  const size_t mapped = cache->mapped_bytes();
  cache->Forget({0, 1});
  EXPECT_FALSE(cache->Has({0, 1}, 1));
  cache->Forget({0, 2});  // was never there
  // The memory is used again.
  ASSERT_TRUE(cache->Get({0, 2}, kLength, kLength));
  EXPECT_EQ(cache->mapped_bytes(), mapped);

  decoding_.on_decode = [&](uint64_t) { cache->Forget({0, 3}); };
  const auto bytes = cache->Get({0, 3}, kLength, kLength);
  ASSERT_TRUE(bytes);
  ExpectBytes(*bytes, {0, 3}, kLength);
  EXPECT_TRUE(cache->Has({0, 3}, kLength));
  // Nor do bytes go that somebody holds.
  cache->Forget({0, 3});
  decoding_.on_decode = nullptr;
  ASSERT_TRUE(cache->Get({0, 4}, kLength, kLength));
  ExpectBytes(*bytes, {0, 3}, kLength);
}

TEST_F(SpanCacheTest, KeepsSpansApart) {
  const auto cache = Make(32 << 20);
  for (const TestSpan key : {TestSpan{0, 1}, {1, 0}, {1, 1}, {0, 1}}) {
    const auto bytes = cache->Get(key, kLength, kLength);
    ASSERT_TRUE(bytes);
    ExpectBytes(*bytes, key, kLength);
  }
  EXPECT_EQ(decoding_.started, 3);
}

TEST_F(SpanCacheTest, DecodesOnceForManyWaiters) {
  const auto cache = Make(32 << 20);
  constexpr int kReaders = 64;
  std::latch all_here(kReaders);
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i] {
      all_here.arrive_and_wait();
      const uint64_t end = kLength / kReaders * (i + 1);
      const auto bytes = cache->Get({3, 4}, kLength, end);
      ASSERT_TRUE(bytes);
      ExpectBytes(*bytes, {3, 4}, end);
    });
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(decoding_.started, 1);
  EXPECT_EQ(decoding_.decoded, kLength);
  EXPECT_EQ(decoding_.most_at_work, 1);
}

TEST_F(SpanCacheTest, AnswersAReaderOfTheBeginningWhileTheRestIsDecoded) {
  const auto cache = Make(32 << 20);
  std::latch at_second_block(1);
  std::latch first_reader_done(1);
  decoding_.on_decode = [&](uint64_t end) {
    if (end <= kBlockBytes || end > 2 * kBlockBytes) return;
    at_second_block.count_down();
    first_reader_done.wait();  // would hang if the reader below had to wait
  };
  std::thread all([&] { ASSERT_TRUE(cache->Get({0, 0}, kLength, kLength)); });
  at_second_block.wait();
  ASSERT_TRUE(cache->Get({0, 0}, kLength, kBlockBytes));
  first_reader_done.count_down();
  all.join();
}

TEST_F(SpanCacheTest, PreparesWithoutWaitingForAReader) {
  const auto cache = Make(32 << 20);
  cache->Prepare({0, 0}, kLength, 2 * kBlockBytes);
  EXPECT_EQ(decoding_.decoded, 2 * kBlockBytes);
  EXPECT_TRUE(cache->Has({0, 0}, 2 * kBlockBytes));

  std::latch reading(1);
  std::latch prepared(1);
  std::once_flag once;
  decoding_.on_decode = [&](uint64_t) {
    std::call_once(once, [&] { reading.count_down(); });
    prepared.wait();
  };
  std::thread reader([&] {
    const auto bytes = cache->Get({0, 0}, kLength, kLength);
    ASSERT_TRUE(bytes);
    ExpectBytes(*bytes, {0, 0}, kLength);
  });
  reading.wait();
  cache->Prepare({0, 0}, kLength, kLength);
  prepared.count_down();
  reader.join();
  EXPECT_EQ(decoding_.started, 1);
}

// "S" in /proc: it waits for something.
bool Sleeps(pid_t thread) {
  std::ifstream stat("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(stat, line);
  return line.find(") S ") != std::string::npos;
}

TEST_F(SpanCacheTest, LeavesASpanToWhoWaitsForIt) {
  const auto cache = Make(32 << 20);
  std::atomic<pid_t> reader_id = 0;
  std::thread reader;
  decoding_.on_decode = [&](uint64_t) {
    if (reader.joinable()) return;
    reader = std::thread([&] {
      reader_id = ::gettid();
      ASSERT_TRUE(cache->Get({0, 0}, kLength, 3 * kBlockBytes));
    });
    while (reader_id == 0 || !Sleeps(reader_id)) std::this_thread::yield();
  };
  cache->Prepare({0, 0}, kLength, kLength);
  EXPECT_TRUE(cache->Has({0, 0}, kBlockBytes));
  reader.join();
  EXPECT_EQ(decoding_.decoded, 3 * kBlockBytes);
}

TEST_F(SpanCacheTest, WhatCannotBePreparedIsTriedAgain) {
  const auto cache = Make(32 << 20);
  decoding_.fail_at = kBlockBytes;
  cache->Prepare({0, 0}, kLength, kLength);
  decoding_.fail_at = ~uint64_t{0};
  EXPECT_TRUE(cache->Get({0, 0}, kLength, kLength));
}

TEST_F(SpanCacheTest, DropsWhatWasNotUsedForLongest) {
  const auto cache = Make(13 << 20);  // three spans
  for (const size_t span : {0, 1, 2, 0, 3}) {
    ASSERT_TRUE(cache->Get({0, span}, kLength, kLength));
  }
  EXPECT_EQ(decoding_.started, 4);
  ASSERT_TRUE(cache->Get({0, 0}, kLength, kLength));
  EXPECT_EQ(decoding_.started, 4);
  ASSERT_TRUE(cache->Get({0, 1}, kLength, kLength));
  EXPECT_EQ(decoding_.started, 5);
}

TEST_F(SpanCacheTest, StaysWithinItsMemory) {
  const auto cache = Make(16 << 20);
  size_t most = 0;
  for (size_t span = 0; span < 100; ++span) {
    ASSERT_TRUE(cache->Get({0, span}, kLength + span, kLength));
    most = std::max(most, cache->mapped_bytes());
  }
  EXPECT_LE(most, (16 << 20) + 3 * (kLength + 4096));
}

TEST_F(SpanCacheTest, KeepsPinnedBytesAfterDroppingTheirSpan) {
  const auto cache = Make(1 << 20);  // not even one
  const auto pinned = cache->Get({0, 0}, kLength, kLength);
  ASSERT_TRUE(pinned);
  for (size_t span = 1; span < 20; ++span) {
    ASSERT_TRUE(cache->Get({0, span}, kLength, kLength));
  }
  ExpectBytes(*pinned, {0, 0}, kLength);
}

TEST_F(SpanCacheTest, DoesNotKeepASpanThatFailed) {
  const auto cache = Make(32 << 20);
  decoding_.fail_at = kBlockBytes;
  EXPECT_TRUE(cache->Get({0, 0}, kLength, kBlockBytes));
  const auto wrong = cache->Get({0, 0}, kLength, kBlockBytes + 1);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), ErrorCode::kCorrupt);
  decoding_.fail_at = ~uint64_t{0};
  const auto right = cache->Get({0, 0}, kLength, kLength);
  ASSERT_TRUE(right);
  ExpectBytes(*right, {0, 0}, kLength);
  EXPECT_EQ(decoding_.started, 2);
}

TEST_F(SpanCacheTest, TellsAllWaitersOfAFailure) {
  const auto cache = Make(32 << 20);
  decoding_.fail_at = 2 * kBlockBytes;
  std::vector<std::thread> readers;
  std::atomic<int> failures{0};
  for (int i = 0; i < 16; ++i) {
    readers.emplace_back([&, i] {
      const bool beyond = i % 2 == 0;
      const auto got =
          cache->Get({0, 0}, kLength, beyond ? kLength : kBlockBytes);
      EXPECT_EQ(got.has_value(), !beyond);
      if (!got) ++failures;
    });
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(failures, 8);
}

TEST_F(SpanCacheTest, StopsExceptionsOfADecoder) {
  const auto cache = Make(32 << 20);
  decoding_.on_decode = [](uint64_t) { throw std::bad_alloc(); };
  const auto got = cache->Get({0, 0}, kLength, 1);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kInternal);
  decoding_.on_decode = nullptr;
  EXPECT_TRUE(cache->Get({0, 0}, kLength, 1));
}

TEST_F(SpanCacheTest, ServesManyThreadsManySpansInLittleMemory) {
  const auto cache = Make(9 << 20);
  std::vector<std::thread> readers;
  for (int i = 0; i < 16; ++i) {
    readers.emplace_back([&, i] {
      for (size_t n = 0; n < 40; ++n) {
        const TestSpan key{static_cast<uint64_t>(i % 3), (n * 5 + i) % 7};
        const uint64_t end = 1 + (n * 77777 + i * 1234567) % kLength;
        const auto bytes = cache->Get(key, kLength, end);
        ASSERT_TRUE(bytes);
        ExpectBytes(*bytes, key, end);
      }
    });
  }
  for (auto& reader : readers) reader.join();
}

// Two readers of one layer, each with its own copy.
class SharedSpanCacheTest : public testing::Test {
 protected:
  SourcedSpan Ours() const { return {key_, 5, ours_}; }
  SourcedSpan Theirs() const { return {key_, 7, theirs_}; }

  Decoding our_decoding_;
  Decoding their_decoding_;
  std::shared_ptr<const SpanSource> ours_ =
      std::make_shared<FakeSource>(our_decoding_, 1);
  std::shared_ptr<const SpanSource> theirs_ =
      std::make_shared<FakeSource>(their_decoding_, 1);
  SpanCache cache_{32 << 20};
  const SpanKey key_{cache_.LayerNumber("sha256:abc"), 0, kLength};
};

TEST_F(SharedSpanCacheTest, KnowsLayersByTheirIdentity) {
  EXPECT_EQ(cache_.LayerNumber("sha256:abc"), key_.layer);
  EXPECT_NE(cache_.LayerNumber("sha256:def"), key_.layer);
  const uint64_t without = cache_.LayerNumber("");
  EXPECT_NE(without, key_.layer);
  EXPECT_NE(cache_.LayerNumber(""), without);
}

TEST_F(SharedSpanCacheTest, GivesOneReaderWhatTheOtherDecoded) {
  ASSERT_TRUE(cache_.Get(Ours(), kBlockBytes));
  ASSERT_TRUE(cache_.Get(Theirs(), kLength));
  ASSERT_TRUE(cache_.Get(Ours(), kLength));
  EXPECT_EQ(our_decoding_.decoded, kLength);
  EXPECT_EQ(their_decoding_.started, 0);
}

TEST_F(SharedSpanCacheTest, DoesNotLetOneReaderSufferFromTheOthersDamage) {
  our_decoding_.fail_at = kBlockBytes;
  ASSERT_TRUE(cache_.Get(Ours(), kBlockBytes));
  const auto bytes = cache_.Get(Theirs(), kLength);
  ASSERT_TRUE(bytes) << bytes.error().message();
  EXPECT_EQ(bytes->bytes.back(), ByteAt({1, 7}, kLength - 1));
  EXPECT_EQ(their_decoding_.started, 1);

  cache_.Forget(key_);
  EXPECT_FALSE(cache_.Get(Ours(), kLength));
}

TEST_F(SharedSpanCacheTest, KeepsNoSourceThatWasReleased) {
  ASSERT_TRUE(cache_.Get(Ours(), kBlockBytes));
  const std::weak_ptr<const SpanSource> ours = ours_;
  cache_.Release(*ours_);
  ours_.reset();
  EXPECT_TRUE(ours.expired());
  EXPECT_FALSE(cache_.Has(key_, 1));

  ASSERT_TRUE(cache_.Get(Theirs(), kLength));
  const std::weak_ptr<const SpanSource> theirs = theirs_;
  cache_.Release(*theirs_);
  theirs_.reset();
  EXPECT_TRUE(theirs.expired());
  EXPECT_TRUE(cache_.Has(key_, kLength)) << "a whole span needs none";
}

TEST(SpanBuffers, UsesABufferAgain) {
  SpanBuffers buffers(4 * kLength);
  const std::byte* first = nullptr;
  {
    const auto buffer = buffers.Take(kLength);
    ASSERT_TRUE(buffer);
    first = buffer->memory().data();
  }
  EXPECT_EQ(buffers.mapped_bytes(), kLength);
  const auto again = buffers.Take(kLength - 5000);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->memory().data(), first);
  EXPECT_EQ(buffers.mapped_bytes(), kLength);
}

TEST(SpanBuffers, OfAnySizeFillTheStretchAndComeBackToIt) {
  constexpr size_t kStretch = 64 << 20;
  SpanBuffers buffers(kStretch);
  std::mt19937_64 random(1);
  std::vector<std::pair<SpanBuffers::Buffer, std::byte>> taken;
  for (int i = 0; i < 3000; ++i) {
    if (taken.size() > 20) {
      const auto it = taken.begin() + static_cast<ptrdiff_t>(random() % 20);
      const auto memory = it->first.memory();
      // It was nobody else's.
      EXPECT_EQ(memory.front(), it->second);
      EXPECT_EQ(memory.back(), it->second);
      taken.erase(it);
    }
    auto buffer = buffers.Take(1 + random() % (4 << 20));
    ASSERT_TRUE(buffer);
    const auto mark = static_cast<std::byte>(i);
    buffer->memory().front() = buffer->memory().back() = mark;
    taken.emplace_back(*std::move(buffer), mark);
  }
  taken.clear();
  const auto all = buffers.Take(kStretch);
  ASSERT_TRUE(all);
  EXPECT_EQ(buffers.mapped_bytes(), kStretch);
}

TEST(SpanBuffers, WhatDoesNotFitIsMappedByItself) {
  SpanBuffers buffers(2 << 20);
  auto all = buffers.Take(2 << 20);
  ASSERT_TRUE(all);
  {
    const auto more = buffers.Take(5000);
    ASSERT_TRUE(more);
    more->memory().back() = std::byte{1};
    EXPECT_EQ(buffers.mapped_bytes(), (2 << 20) + 8192u);
  }
  EXPECT_EQ(buffers.mapped_bytes(), 2u << 20);
}

TEST(SpanBuffers, GiveTheKernelWhatNobodyUses) {
  SpanBuffers buffers(64 << 20);
  std::vector<SpanBuffers::Buffer> taken;
  for (int i = 0; i < 16; ++i) taken.push_back(*buffers.Take(4 << 20));
  std::ranges::fill(taken.back().memory(), std::byte{1});
  EXPECT_EQ(buffers.mapped_bytes(), 64u << 20);
  taken.resize(1);
  EXPECT_EQ(buffers.mapped_bytes(), 8u << 20) << "a little is kept";
  taken.clear();
  const auto again = buffers.Take(64 << 20);
  EXPECT_EQ(again->memory().back(), std::byte{0}) << "fresh pages";
}

TEST(SpanBuffers, RefusesWhatCannotBe) {
  SpanBuffers buffers(1 << 20);
  for (const size_t bytes : {size_t{1} << 60, ~size_t{0}}) {
    const auto huge = buffers.Take(bytes);
    ASSERT_FALSE(huge);
    EXPECT_THAT(huge.error().message(),
                testing::StartsWith("memory for a span"));
  }
  EXPECT_EQ(buffers.mapped_bytes(), 0u);
}

}  // namespace
}  // namespace imgmount
