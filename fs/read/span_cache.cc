// SPDX-License-Identifier: Apache-2.0
#include "fs/read/span_cache.h"

#include <sched.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace imgmount {
namespace {

// What a decoder at rest may hold besides the buffer: about this much in ISA-L
// and libzstd. Small spans are counted by it too.
constexpr size_t kDecoderBytes = 256 << 10;

// Spans that are decoded while the cache is full.
constexpr size_t kUnderWayBytes = 16 << 20;

}  // namespace

struct SpanCache::Entry {
  explicit Entry(const SpanKey& k) : key(k) {}
  size_t cost() const { return key.length + kDecoderBytes; }

  const SpanKey key;

  // Under the cache's lock: calls of Get() that are at work on it.
  int callers = 0;
  bool listed = true;  // in lru_ and entries_

  std::mutex mutex;
  std::condition_variable progress;
  // Under `mutex`:
  bool busy = false;  // one thread owns decoder and buffer's tail
  int waiting = 0;    // callers of Get()
  uint64_t goal = 0;  // of all calls of Prepare()
  uint64_t ready = 0;
  std::optional<Error> error;

  // Owned by the thread that set `busy`. The decoder reads the source and
  // writes into the buffer, so it is declared after them and goes first. The
  // source stays until the decoder is done, and tells whose fault an error is.
  SpanBuffers::Buffer buffer;
  std::shared_ptr<const SpanSource> source;
  std::unique_ptr<SpanDecoder> decoder;
};

SpanCache::SpanCache(size_t capacity)
    : capacity_(capacity), buffers_(capacity + kUnderWayBytes) {}

SpanCache::~SpanCache() = default;

uint64_t SpanCache::LayerNumber(std::string_view identity) {
  const std::lock_guard lock(mutex_);
  if (identity.empty()) return ++layer_count_;
  const auto found = layers_.find(identity);
  if (found != layers_.end()) return found->second;
  return layers_.emplace(identity, ++layer_count_).first->second;
}

Result<PinnedBytes> SpanCache::Get(const SourcedSpan& span, uint64_t end) {
  while (true) {
    const std::shared_ptr<Entry> entry = Enter(span.key);
    Status status = Decode(*entry, span, end);
    Leave(entry, !status);
    if (status) return PinnedBytes{entry, entry->buffer.memory().first(end)};
    // Another reader's copy of the layer is damaged. Ours may be intact.
    if (entry->source && entry->source != span.source) continue;
    return Failure(std::move(status).error());
  }
}

void SpanCache::Prepare(const SourcedSpan& span, uint64_t end) {
  const std::shared_ptr<Entry> entry = Enter(span.key);
  bool failed = false;
  {
    std::unique_lock lock(entry->mutex);
    // Who is at it already goes on to there.
    entry->goal = std::max(entry->goal, end);
    if (!entry->busy && !entry->error) {
      DecodeBlocks(*entry, lock, span, entry->goal, For::kNobody);
      failed = entry->error.has_value();
    }
  }
  Leave(entry, failed);
}

bool SpanCache::Has(const SpanKey& key, uint64_t end) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return false;
    entry = *found->second;
  }
  const std::lock_guard lock(entry->mutex);
  return entry->ready >= end;
}

std::shared_ptr<SpanCache::Entry> SpanCache::Enter(const SpanKey& key) {
  Lru dropped;  // freed after the lock
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    lru_.splice(lru_.begin(), lru_, found->second);
  } else {
    lru_.push_front(std::make_shared<Entry>(key));
    entries_[key] = lru_.begin();
    used_ += lru_.front()->cost();
  }
  const std::shared_ptr<Entry> entry = lru_.front();
  ++entry->callers;
  Trim(dropped);
  return entry;
}

void SpanCache::Leave(const std::shared_ptr<Entry>& entry, bool failed) {
  Lru dropped;
  const std::lock_guard lock(mutex_);
  --entry->callers;
  if (failed && entry->listed) {
    Unlist(entries_.find(entry->key)->second, dropped);
  }
  Trim(dropped);
}

void SpanCache::Forget(const SpanKey& key) {
  Lru dropped;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end() || (*found->second)->callers > 0) return;
  Unlist(found->second, dropped);
}

void SpanCache::Release(const SpanSource& source) {
  Lru dropped;
  const std::lock_guard lock(mutex_);
  for (auto it = lru_.begin(); it != lru_.end();) {
    const auto at = it++;
    if ((*at)->callers == 0 && (*at)->source.get() == &source) {
      Unlist(at, dropped);
    }
  }
}

void SpanCache::Unlist(Lru::iterator it, Lru& dropped) {
  Entry& entry = **it;
  entries_.erase(entry.key);
  entry.listed = false;
  used_ -= entry.cost();
  dropped.splice(dropped.begin(), lru_, it);
}

void SpanCache::Trim(Lru& dropped) {
  auto it = lru_.end();
  while (used_ > capacity_ && it != lru_.begin()) {
    --it;
    if ((*it)->callers == 0) Unlist(it++, dropped);
  }
}

Status SpanCache::Decode(Entry& entry, const SourcedSpan& span, uint64_t end) {
  std::unique_lock lock(entry.mutex);
  while (entry.ready < end) {
    if (entry.error) return Failure(*entry.error);
    if (entry.busy) {
      ++entry.waiting;
      entry.progress.wait(lock);
      --entry.waiting;
      continue;
    }
    DecodeBlocks(entry, lock, span, end, For::kCaller);
  }
  return {};
}

void SpanCache::DecodeBlocks(Entry& entry, std::unique_lock<std::mutex>& lock,
                             const SourcedSpan& span, const uint64_t& end,
                             For whom) {
  entry.busy = true;
  Status status;
  // Block by block, so that those who wait for less go on earlier.
  while (status && entry.ready < end &&
         (whom == For::kCaller || entry.waiting == 0)) {
    const uint64_t step = std::min(end, entry.ready + kBlockBytes);
    lock.unlock();
    // A low priority alone keeps others from this processor until the next tick
    // of the scheduler, which may be 4 ms away (Linux 6.6 and later).
    if (whom == For::kNobody) ::sched_yield();
    status = StepDecoder(entry, span, step);
    lock.lock();
    if (status) entry.ready = entry.decoder->ready();
    entry.progress.notify_all();
  }
  if (!status) entry.error = std::move(status).error();
  const bool complete = entry.ready == entry.key.length;
  if (entry.error || complete) entry.decoder.reset();
  if (complete) entry.source.reset();
  entry.busy = false;
  entry.progress.notify_all();
}

Status SpanCache::StepDecoder(Entry& entry, const SourcedSpan& span,
                              uint64_t end) try {
  if (!entry.decoder) {
    const uint64_t length = entry.key.length;
    entry.source = span.source;
    IMGMOUNT_TRY(entry.buffer, buffers_.Take(length));
    IMGMOUNT_TRY(entry.decoder,
                 span.source->StartDecoder(
                     span.number, entry.buffer.memory().first(length)));
  }
  IMGMOUNT_CHECK(entry.decoder->DecodeTo(end));
  if (entry.decoder->ready() < end) {
    return Fail(ErrorCode::kInternal, "a span's decoder stopped early");
  }
  return {};
} catch (const std::exception& exception) {
  return Fail(ErrorCode::kInternal,
              std::string("decoding a span: ") + exception.what());
}

}  // namespace imgmount
