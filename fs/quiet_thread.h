// SPDX-License-Identifier: Apache-2.0
// StartBackgroundThread: a quiet thread that leaves the processor to those who
// have more urgent work. Nobody may have to wait for it.
#ifndef IMGMOUNT_FS_QUIET_THREAD_H_
#define IMGMOUNT_FS_QUIET_THREAD_H_

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <utility>

#include "meta/base/quiet_thread.h"

namespace imgmount {

// While it lives, its thread does what somebody may soon wait for, and needs a
// processor.
class BackgroundWork {
 public:
  // Whether it is known that somebody will.
  enum class Kind { kLikely, kSure };
  explicit BackgroundWork(Kind kind) : count_(Of(kind)) {
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  ~BackgroundWork() { count_.fetch_sub(1, std::memory_order_relaxed); }
  BackgroundWork(const BackgroundWork&) = delete;
  BackgroundWork& operator=(const BackgroundWork&) = delete;
  // In this process.
  static size_t Count(Kind kind) {
    return Of(kind).load(std::memory_order_relaxed);
  }

 private:
  inline static std::atomic<size_t> likely_ = 0;
  inline static std::atomic<size_t> sure_ = 0;
  static std::atomic<size_t>& Of(Kind kind) {
    return kind == Kind::kSure ? sure_ : likely_;
  }
  std::atomic<size_t>& count_;
};

template <typename Body>
std::thread StartBackgroundThread(Body&& body) {
  return StartQuietThread([body = std::forward<Body>(body)] {
    // On Linux a thread has a nice value of its own; see setpriority(2).
    constexpr int kNice = 10;
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    body();
  });
}

}  // namespace imgmount

#endif  // IMGMOUNT_FS_QUIET_THREAD_H_
