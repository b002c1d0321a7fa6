// SPDX-License-Identifier: Apache-2.0
#include "fs/read/span_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iterator>

namespace imgmount {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = 2 << 20;

// So much of the stretch's end that nobody uses stays: a stream goes through
// less.
constexpr size_t kKeptBytes = 8 << 20;

constexpr size_t RoundUp(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

Result<std::span<std::byte>> Map(size_t bytes) {
  void* const address =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return FailErrno("memory for a span", errno);
  return std::span(static_cast<std::byte*>(address), bytes);
}

void Unmap(std::span<std::byte> memory) {
  if (!memory.empty()) ::munmap(memory.data(), memory.size());
}

}  // namespace

SpanBuffers::SpanBuffers(size_t usual_bytes)
    : stretch_bytes_(RoundUp(usual_bytes, kHugePage)) {}

SpanBuffers::~SpanBuffers() { Unmap(mapping_); }

void SpanBuffers::MapStretch() {
  auto mapping = Map(stretch_bytes_ + kHugePage);
  if (!mapping) return;  // then each buffer is mapped by itself
  mapping_ = *mapping;
  const auto address = reinterpret_cast<uintptr_t>(mapping_.data());
  stretch_ = mapping_.data() + (RoundUp(address, kHugePage) - address);
  (void)::madvise(stretch_, stretch_bytes_, MADV_HUGEPAGE);
  free_[0] = stretch_bytes_;
}

Result<SpanBuffers::Buffer> SpanBuffers::Take(size_t bytes) {
  if (bytes > SIZE_MAX - kPage) return FailErrno("memory for a span", ENOMEM);
  bytes = RoundUp(bytes, kPage);
  const MutexLock lock(mutex_);
  if (stretch_ == nullptr) MapStretch();
  const auto found =
      std::find_if(free_.begin(), free_.end(),
                   [&](const auto& piece) { return piece.second >= bytes; });
  if (found == free_.end()) {
    IMGMOUNT_TRY(const auto memory, Map(bytes));
    other_bytes_ += bytes;
    return Buffer(this, memory);
  }
  const auto [offset, size] = *found;
  free_.erase(found);
  if (size > bytes) free_[offset + bytes] = size - bytes;
  touched_ = std::max(touched_, offset + bytes);
  return Buffer(this, {stretch_ + offset, bytes});
}

size_t SpanBuffers::mapped_bytes() const {
  const MutexLock lock(mutex_);
  return touched_ + other_bytes_;
}

void SpanBuffers::GiveBack(std::span<std::byte> memory) {
  const MutexLock lock(mutex_);
  // Below the stretch this wraps around.
  const size_t offset = reinterpret_cast<uintptr_t>(memory.data()) -
                        reinterpret_cast<uintptr_t>(stretch_);
  if (stretch_ == nullptr || offset >= stretch_bytes_) {
    other_bytes_ -= memory.size();
    Unmap(memory);
    return;
  }
  auto it = free_.emplace(offset, memory.size()).first;
  const auto next = std::next(it);
  if (next != free_.end() && next->first == offset + it->second) {
    it->second += next->second;
    free_.erase(next);
  }
  if (it != free_.begin()) {
    const auto before = std::prev(it);
    if (before->first + before->second == offset) {
      before->second += it->second;
      free_.erase(it);
    }
  }
  TrimStretch();
}

void SpanBuffers::TrimStretch() {
  const auto& [offset, size] = *free_.rbegin();
  const size_t kept = RoundUp(offset + kKeptBytes / 2, kHugePage);
  if (offset + size < stretch_bytes_ || touched_ < offset + kKeptBytes) return;
  (void)::madvise(stretch_ + kept, touched_ - kept, MADV_DONTNEED);
  touched_ = kept;
}

}  // namespace imgmount
