// SPDX-License-Identifier: Apache-2.0
// SpanCache: decoded spans, shared by all threads, layers and mounts.
//
// A span is known by the layer's identity and its place in the layer's tar, so
// whoever reads the same layer, out of whatever image, finds what others have
// decoded.
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
#include <span>
#include <string>
#include <string_view>

#include "fs/read/span_buffer.h"
#include "meta/base/mutex.h"
#include "meta/base/result.h"
#include "meta/layer/span_table.h"

namespace imgmount {

// Bytes [offset, offset + length) of a layer's tar.
struct SpanKey {
  uint64_t layer = 0;  // SpanCache::LayerNumber()
  uint64_t offset = 0;
  uint64_t length = 0;
  auto operator<=>(const SpanKey&) const = default;
};

// Decodes the spans of a layer. Thread-safe.
class SpanSource {
 public:
  virtual ~SpanSource() = default;
  // Decodes span `number` into `out`. The decoder does not outlive this.
  virtual Result<std::unique_ptr<SpanDecoder>> StartDecoder(
      size_t number, std::span<std::byte> out) const = 0;
};

// A span, and where one reader has it from. Another's may serve as well.
struct SourcedSpan {
  SpanKey key;
  size_t number = 0;  // in this source
  const std::shared_ptr<const SpanSource>& source;
};

// Verified bytes, which stay where they are while this lives. The cache
// outlives it.
struct PinnedBytes {
  std::shared_ptr<const void> pin;
  std::span<const std::byte> bytes;
};

class SpanCache {
 public:
  explicit SpanCache(size_t capacity);
  ~SpanCache();

  // The number of all layers of this identity (OpenedLayer::identity). One of
  // its own for each layer without.
  uint64_t LayerNumber(std::string_view identity);

  // The span's first `end` bytes; REQUIRES: end <= key.length.
  Result<PinnedBytes> Get(const SourcedSpan& span, uint64_t end);
  // Decodes them before anybody asks; leaves that to those who wait for the
  // span as soon as there are any.
  void Prepare(const SourcedSpan& span, uint64_t end);

  // Nobody is expected to ask for the span again: its memory is used for the
  // next ones, while the processor still has it at hand. A span that somebody
  // is at work on stays.
  void Forget(const SpanKey& key);

  // Whether Get() would find them decoded.
  bool Has(const SpanKey& key, uint64_t end);

  // No decoder keeps the source any more, unless a call is under way.
  void Release(const SpanSource& source);

  size_t mapped_bytes() const { return buffers_.mapped_bytes(); }

 private:
  class Entry;
  using Lru = std::list<std::shared_ptr<Entry>>;

  std::shared_ptr<Entry> Enter(const SpanKey& key) EXCLUDES(mutex_);
  void Leave(const std::shared_ptr<Entry>& entry, bool failed) EXCLUDES(mutex_);
  // Moves an entry to `dropped`, which the caller frees without the mutex.
  void Unlist(Lru::iterator it, Lru& dropped) REQUIRES(mutex_);
  // Drops what was not used for longest, until the rest fits.
  void Trim(Lru& dropped) REQUIRES(mutex_);

  const size_t capacity_;
  SpanBuffers buffers_;
  Mutex mutex_;
  Lru lru_ GUARDED_BY(mutex_);  // the last one used is in front
  std::map<SpanKey, Lru::iterator> entries_ GUARDED_BY(mutex_);
  size_t used_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, uint64_t, std::less<>> layers_
      GUARDED_BY(mutex_);  // by identity
  uint64_t layer_count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_READ_SPAN_CACHE_H_
