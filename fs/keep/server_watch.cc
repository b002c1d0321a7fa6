// SPDX-License-Identifier: Apache-2.0
#include "fs/keep/server_watch.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <new>

namespace imgmount {
namespace {

// The word: 0 when the first thread has ended, which the kernel writes; else
// the thread's number, or kNobody before there is one. With kWoken Wait() has
// something to return for.
constexpr uint32_t kWoken = 0x8000'0000;
constexpr uint32_t kNobody = 0x4000'0000;  // no thread has such a number

}  // namespace

Result<ServerWatch> ServerWatch::Create() {
  void* const memory =
      ::mmap(nullptr, sizeof(std::atomic<uint32_t>), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return FailErrno("memory for the keeper", errno);
  return ServerWatch(new (memory) std::atomic<uint32_t>(kNobody));
}

ServerWatch::~ServerWatch() {
  if (word_ != nullptr) ::munmap(word_, sizeof *word_);
}

// Both keep kWoken, which a signal to the keeper may set at any moment.

void ServerWatch::Expect() {
  word_->fetch_or(kNobody);
  word_->fetch_and(kWoken | kNobody);
}

void ServerWatch::Enter() {
  word_->fetch_xor(kNobody ^ static_cast<uint32_t>(::gettid()));
  ::syscall(SYS_set_tid_address, word_);
}

void ServerWatch::Leave() { ::syscall(SYS_set_tid_address, nullptr); }

bool ServerWatch::FirstThreadEnded() const { return (*word_ & ~kWoken) == 0; }

void ServerWatch::Wait(std::optional<std::chrono::milliseconds> limit) {
  const uint32_t now = *word_;
  const bool waits = limit || !FirstThreadEnded();
  if ((now & kWoken) == 0 && waits) {
    timespec time = {};
    if (limit) {
      time.tv_sec = limit->count() / 1000;
      time.tv_nsec = limit->count() % 1000 * 1'000'000;
    }
    ::syscall(SYS_futex, word_, FUTEX_WAIT, now, limit ? &time : nullptr,
              nullptr, 0);
  }
  *word_ &= ~kWoken;
}

void ServerWatch::Wake() {
  *word_ |= kWoken;
  ::syscall(SYS_futex, word_, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace imgmount
