#include "fs/span_buffer.h"

#include <sys/mman.h>

#include <cerrno>

namespace imgmount {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = 2 << 20;

}  // namespace

SpanBuffers::~SpanBuffers() {
  for (const auto memory : spare_) Unmap(memory);
}

Result<SpanBuffers::Buffer> SpanBuffers::Take(size_t bytes) {
  bytes = (bytes + kPage - 1) / kPage * kPage;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = spare_.begin(); it != spare_.end(); ++it) {
      // A small span must not hold on to a large buffer.
      if (it->size() < bytes || it->size() / 2 > bytes) continue;
      Buffer buffer(this, *it);
      spare_.erase(it);
      return buffer;
    }
    mapped_bytes_ += bytes;
  }
  void* const address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    const int error_number = errno;
    const std::lock_guard lock(mutex_);
    mapped_bytes_ -= bytes;
    return FailErrno("memory for a span", error_number);
  }
  if (bytes >= kHugePage) (void)::madvise(address, bytes, MADV_HUGEPAGE);
  return Buffer(this, {static_cast<std::byte*>(address), bytes});
}

size_t SpanBuffers::mapped_bytes() const {
  const std::lock_guard lock(mutex_);
  return mapped_bytes_;
}

void SpanBuffers::GiveBack(std::span<std::byte> memory) {
  const std::lock_guard lock(mutex_);
  spare_.push_front(memory);
  if (spare_.size() <= max_spare_) return;
  mapped_bytes_ -= spare_.back().size();
  Unmap(spare_.back());
  spare_.pop_back();
}

void SpanBuffers::Unmap(std::span<std::byte> memory) {
  ::munmap(memory.data(), memory.size());
}

}  // namespace imgmount
