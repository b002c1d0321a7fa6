// SPDX-License-Identifier: Apache-2.0
// SpanBuffers: memory for decoded spans, used again instead of given back.
//
// Fresh pages cost as much time as decoding what goes into them. So there is
// one stretch of memory, in huge pages where the kernel has them (a fifth of
// the time), and what was given back is used first. Thread-safe.
#ifndef IMGMOUNT_FS_READ_SPAN_BUFFER_H_
#define IMGMOUNT_FS_READ_SPAN_BUFFER_H_

#include <cstddef>
#include <map>
#include <span>
#include <utility>

#include "meta/base/mutex.h"
#include "meta/base/result.h"

namespace imgmount {

class SpanBuffers {
 public:
  // Owns a piece of memory; goes back to `owner` when destroyed.
  class Buffer {
   public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)),
          memory_(std::exchange(other.memory_, {})) {}
    Buffer& operator=(Buffer&& other) noexcept {
      std::swap(owner_, other.owner_);
      std::swap(memory_, other.memory_);
      return *this;
    }
    ~Buffer() {
      if (owner_ != nullptr) owner_->GiveBack(memory_);
    }
    std::span<std::byte> memory() const { return memory_; }

   private:
    friend class SpanBuffers;
    Buffer(SpanBuffers* owner, std::span<std::byte> memory)
        : owner_(owner), memory_(memory) {}
    SpanBuffers* owner_ = nullptr;
    std::span<std::byte> memory_;  // whole pages, at least what was asked for
  };

  // The buffers' usual total size; those beyond it are mapped one by one.
  // Outlives them.
  explicit SpanBuffers(size_t usual_bytes);
  ~SpanBuffers();
  SpanBuffers(const SpanBuffers&) = delete;
  SpanBuffers& operator=(const SpanBuffers&) = delete;

  // Contents are undefined. kIo: out of memory.
  Result<Buffer> Take(size_t bytes);
  // Bytes that may be in memory now, unused ones included.
  size_t mapped_bytes() const;

 private:
  void GiveBack(std::span<std::byte> memory);
  void MapStretch() REQUIRES(mutex_);
  // Lets the kernel have what nobody uses at the end, but for a little.
  void TrimStretch() REQUIRES(mutex_);

  const size_t stretch_bytes_;
  mutable Mutex mutex_;
  std::span<std::byte> mapping_ GUARDED_BY(mutex_);  // around the stretch
  // Once it is needed.
  std::byte* stretch_ GUARDED_BY(mutex_) = nullptr;
  // Unused parts of the stretch: offset, size.
  std::map<size_t, size_t> free_ GUARDED_BY(mutex_);
  size_t touched_ GUARDED_BY(mutex_) = 0;      // no page of it beyond was used
  size_t other_bytes_ GUARDED_BY(mutex_) = 0;  // of buffers that did not fit
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_READ_SPAN_BUFFER_H_
