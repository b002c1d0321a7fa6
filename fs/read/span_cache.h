// SPDX-License-Identifier: Apache-2.0
// SpanCache: decoded spans, shared by all threads and layers.
//
// Whoever needs the first bytes of a span gets them as soon as their blocks
// are decoded and verified; the decoder stays with the span, and the next who
// needs more lets it go on. However many wait for a span, it is decoded once.
// A span that fails is not kept: the next reader tries again.
//
// Memory: `capacity` and one span for each call under way. Thread-safe. Locks:
// the cache's own and each entry's; no thread holds two at a time.
#ifndef IMGMOUNT_FS_READ_SPAN_CACHE_H_
#define IMGMOUNT_FS_READ_SPAN_CACHE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "fs/read/span_buffer.h"
#include "meta/base/result.h"
#include "meta/layer/span_table.h"
#include "meta/union/union_tree.h"

namespace imgmount {

struct SpanKey {
  LayerPosition layer = 0;
  size_t span = 0;
  auto operator<=>(const SpanKey&) const = default;
};

// Verified bytes, which stay where they are while this lives. The cache
// outlives it.
struct PinnedBytes {
  std::shared_ptr<const void> pin;
  std::span<const std::byte> bytes;
};

class SpanCache {
 public:
  using Starter = std::function<Result<std::unique_ptr<SpanDecoder>>(
      const SpanKey&, std::span<std::byte> out)>;

  SpanCache(size_t capacity, Starter start);
  ~SpanCache();

  // The span's first `end` bytes; REQUIRES: end <= length, and the same length
  // each time.
  Result<PinnedBytes> Get(const SpanKey& key, uint64_t length, uint64_t end);
  // Decodes them before anybody asks; leaves that to those who wait for the
  // span as soon as there are any.
  void Prepare(const SpanKey& key, uint64_t length, uint64_t end);

  // Nobody is expected to ask for the span again: its memory is used for the
  // next ones, while the processor still has it at hand. A span that somebody
  // is at work on stays.
  void Forget(const SpanKey& key);

  // Whether Get() would find them decoded.
  bool Has(const SpanKey& key, uint64_t end);

  size_t mapped_bytes() const { return buffers_.mapped_bytes(); }

 private:
  struct Entry;
  using Lru = std::list<std::shared_ptr<Entry>>;

  std::shared_ptr<Entry> Enter(const SpanKey& key, uint64_t length);
  void Leave(const std::shared_ptr<Entry>& entry, bool failed);
  // With mutex_ held: what is taken off is freed after the lock.
  void Unlist(Lru::iterator it, Lru& dropped);
  // Drops what was not used for longest, until the rest fits.
  void Trim(Lru& dropped);
  Status Decode(Entry& entry, uint64_t end);
  // Who waits for the blocks. If nobody does, somebody still may.
  enum class For { kCaller, kNobody };
  // With `lock` on the entry's mutex: until `end`, which may grow under it, or,
  // for nobody, until somebody waits.
  void DecodeBlocks(Entry& entry, std::unique_lock<std::mutex>& lock,
                    const uint64_t& end, For whom);
  Status StepDecoder(Entry& entry, uint64_t end);

  const size_t capacity_;
  const Starter start_;
  SpanBuffers buffers_;
  std::mutex mutex_;
  Lru lru_;  // the last one used is in front
  std::map<SpanKey, Lru::iterator> entries_;
  size_t used_ = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_READ_SPAN_CACHE_H_
