// SpanBuffers: memory for decoded spans, used again instead of given back.
//
// A span is megabytes; asking the kernel for fresh zeroed pages for each would
// cost a third of the time it takes to decode one. Thread-safe.
#ifndef IMGMOUNT_FS_SPAN_BUFFER_H_
#define IMGMOUNT_FS_SPAN_BUFFER_H_

#include <cstddef>
#include <list>
#include <mutex>
#include <span>
#include <utility>

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

  // Keeps at most `spare` unused buffers. Outlives its buffers.
  explicit SpanBuffers(size_t spare = 2) : max_spare_(spare) {}
  ~SpanBuffers();
  SpanBuffers(const SpanBuffers&) = delete;
  SpanBuffers& operator=(const SpanBuffers&) = delete;

  // Contents are undefined. kIo: out of memory.
  Result<Buffer> Take(size_t bytes);
  // Bytes mapped now, spare ones included.
  size_t mapped_bytes() const;

 private:
  void GiveBack(std::span<std::byte> memory);
  void Unmap(std::span<std::byte> memory);

  const size_t max_spare_;
  mutable std::mutex mutex_;
  std::list<std::span<std::byte>> spare_;  // the last one used is in front
  size_t mapped_bytes_ = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_SPAN_BUFFER_H_
