// SPDX-License-Identifier: Apache-2.0
#include "fs/read/span_cache.h"

#include <sched.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace imgmount {
namespace {

// Memory of a decoder at rest besides the buffer: about this much in ISA-L
// and libzstd. Small spans are counted by it too.
constexpr size_t kDecoderBytes = 256 << 10;

// Spans that are decoded while the cache is full.
constexpr size_t kUnderWayBytes = 16 << 20;

}  // namespace

class SpanCache::Entry {
 public:
  explicit Entry(const SpanKey& k) : key(k) {}
  size_t cost() const { return key.length + kDecoderBytes; }

  // The first `end` bytes; waits if another thread is at work on them.
  Status Decode(const SourcedSpan& span, uint64_t end, SpanBuffers& buffers)
      EXCLUDES(mutex_);
  // Until somebody waits; leaves it to another thread that is at work. False:
  // the span has failed.
  bool Prepare(const SourcedSpan& span, uint64_t end, SpanBuffers& buffers)
      EXCLUDES(mutex_);
  bool Has(uint64_t end) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return ready_ >= end;
  }
  std::span<const std::byte> memory() const { return buffer_.memory(); }
  const std::shared_ptr<const SpanSource>& source() const { return source_; }

  const SpanKey key;
  // Guarded by the cache's mutex:
  int callers = 0;     // calls that are at work on it
  bool listed = true;  // in lru_ and entries_

 private:
  // Who waits for the blocks. If nobody does, somebody still may.
  enum class For { kCaller, kNobody };
  // Until `end`, which may grow meanwhile, or, for nobody, until somebody
  // waits. Gives the mutex back while it decodes.
  void DecodeBlocks(const SourcedSpan& span, const uint64_t& end, For whom,
                    SpanBuffers& buffers) REQUIRES(mutex_);
  Status StepDecoder(const SourcedSpan& span, uint64_t end,
                     SpanBuffers& buffers) EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar progress_;
  // One thread owns the decoder and the buffer's tail.
  bool busy_ GUARDED_BY(mutex_) = false;
  int waiting_ GUARDED_BY(mutex_) = 0;    // calls of Decode()
  uint64_t goal_ GUARDED_BY(mutex_) = 0;  // of all calls of Prepare()
  uint64_t ready_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> error_ GUARDED_BY(mutex_);

  // Owned by the thread that set `busy_`. The decoder reads the source and
  // writes into the buffer, so it is declared after them and goes first. The
  // source stays until the decoder is done, and tells whose fault an error is.
  SpanBuffers::Buffer buffer_;
  std::shared_ptr<const SpanSource> source_;
  std::unique_ptr<SpanDecoder> decoder_;
};

SpanCache::SpanCache(size_t capacity)
    : capacity_(capacity), buffers_(capacity + kUnderWayBytes) {}

SpanCache::~SpanCache() = default;

uint64_t SpanCache::LayerNumber(std::string_view identity) {
  const MutexLock lock(mutex_);
  if (identity.empty()) return ++layer_count_;
  const auto found = layers_.find(identity);
  if (found != layers_.end()) return found->second;
  return layers_.emplace(identity, ++layer_count_).first->second;
}

Result<PinnedBytes> SpanCache::Get(const SourcedSpan& span, uint64_t end) {
  while (true) {
    const std::shared_ptr<Entry> entry = Enter(span.key);
    Status status = entry->Decode(span, end, buffers_);
    Leave(entry, !status);
    if (status) return PinnedBytes{entry, entry->memory().first(end)};
    // Another reader's copy of the layer is damaged. Ours may be intact.
    if (entry->source() && entry->source() != span.source) continue;
    return Failure(std::move(status).error());
  }
}

void SpanCache::Prepare(const SourcedSpan& span, uint64_t end) {
  const std::shared_ptr<Entry> entry = Enter(span.key);
  const bool intact = entry->Prepare(span, end, buffers_);
  Leave(entry, !intact);
}

bool SpanCache::Has(const SpanKey& key, uint64_t end) {
  std::shared_ptr<Entry> entry;
  {
    const MutexLock lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return false;
    entry = *found->second;
  }
  return entry->Has(end);
}

std::shared_ptr<SpanCache::Entry> SpanCache::Enter(const SpanKey& key) {
  Lru dropped;  // freed after the lock
  const MutexLock lock(mutex_);
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
  const MutexLock lock(mutex_);
  --entry->callers;
  if (failed && entry->listed) {
    Unlist(entries_.find(entry->key)->second, dropped);
  }
  Trim(dropped);
}

void SpanCache::Forget(const SpanKey& key) {
  Lru dropped;
  const MutexLock lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end() || (*found->second)->callers > 0) return;
  Unlist(found->second, dropped);
}

void SpanCache::Release(const SpanSource& source) {
  Lru dropped;
  const MutexLock lock(mutex_);
  for (auto it = lru_.begin(); it != lru_.end();) {
    const auto at = it++;
    if ((*at)->callers == 0 && (*at)->source().get() == &source) {
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

Status SpanCache::Entry::Decode(const SourcedSpan& span, uint64_t end,
                                SpanBuffers& buffers) {
  const MutexLock lock(mutex_);
  while (ready_ < end) {
    if (error_) return Failure(*error_);
    if (busy_) {
      ++waiting_;
      progress_.Wait(mutex_);
      --waiting_;
      continue;
    }
    DecodeBlocks(span, end, For::kCaller, buffers);
  }
  return {};
}

bool SpanCache::Entry::Prepare(const SourcedSpan& span, uint64_t end,
                               SpanBuffers& buffers) {
  const MutexLock lock(mutex_);
  // Who is at it already goes on to there.
  goal_ = std::max(goal_, end);
  if (busy_ || error_) return true;
  DecodeBlocks(span, goal_, For::kNobody, buffers);
  return !error_;
}

void SpanCache::Entry::DecodeBlocks(const SourcedSpan& span,
                                    const uint64_t& end, For whom,
                                    SpanBuffers& buffers) {
  busy_ = true;
  Status status;
  // Block by block, so that those who wait for less go on earlier.
  while (status && ready_ < end && (whom == For::kCaller || waiting_ == 0)) {
    const uint64_t step = std::min(end, ready_ + kBlockBytes);
    mutex_.Unlock();
    // A low priority alone keeps others from this processor until the next tick
    // of the scheduler, which may be 4 ms away (Linux 6.6 and later).
    if (whom == For::kNobody) ::sched_yield();
    status = StepDecoder(span, step, buffers);
    mutex_.Lock();
    if (status) ready_ = decoder_->ready();
    progress_.NotifyAll();
  }
  if (!status) error_ = std::move(status).error();
  const bool complete = ready_ == key.length;
  if (error_ || complete) decoder_.reset();
  if (complete) source_.reset();
  busy_ = false;
  progress_.NotifyAll();
}

Status SpanCache::Entry::StepDecoder(const SourcedSpan& span, uint64_t end,
                                     SpanBuffers& buffers) try {
  if (!decoder_) {
    source_ = span.source;
    IMGMOUNT_TRY(buffer_, buffers.Take(key.length));
    IMGMOUNT_TRY(decoder_,
                 span.source->StartDecoder(span.number,
                                           buffer_.memory().first(key.length)));
  }
  IMGMOUNT_CHECK(decoder_->DecodeTo(end));
  if (decoder_->ready() < end) {
    return Fail(ErrorCode::kInternal, "a span's decoder stopped early");
  }
  return {};
} catch (const std::exception& exception) {
  return Fail(ErrorCode::kInternal,
              std::string("decoding a span: ") + exception.what());
}

}  // namespace imgmount
