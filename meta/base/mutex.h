// SPDX-License-Identifier: Apache-2.0
// std::mutex and std::condition_variable as clang's thread-safety analysis
// knows them (https://clang.llvm.org/docs/ThreadSafetyAnalysis.html): each
// member that a mutex guards says so, and the clang preset fails to compile
// where one is used without it.
//
//   Mutex mutex_;
//   CondVar changed_;
//   std::deque<Piece> pieces_ GUARDED_BY(mutex_);
//
//   MutexLock lock(mutex_);
//   while (pieces_.empty()) changed_.Wait(mutex_);
//
// The analysis sees a lambda as a function of its own, so conditions are loops
// rather than predicates.
#ifndef IMGMOUNT_META_BASE_MUTEX_H_
#define IMGMOUNT_META_BASE_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define IMGMOUNT_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define IMGMOUNT_THREAD_ANNOTATION(x)
#endif

// The member may be used only with the mutex held.
#define GUARDED_BY(x) IMGMOUNT_THREAD_ANNOTATION(guarded_by(x))
// The function is called with, or without, the mutexes held.
#define REQUIRES(...) \
  IMGMOUNT_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) IMGMOUNT_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace imgmount {

class IMGMOUNT_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() IMGMOUNT_THREAD_ANNOTATION(acquire_capability()) {
    mutex_.lock();
  }
  void Unlock() IMGMOUNT_THREAD_ANNOTATION(release_capability()) {
    mutex_.unlock();
  }
  bool TryLock() IMGMOUNT_THREAD_ANNOTATION(try_acquire_capability(true)) {
    return mutex_.try_lock();
  }
  // Tells the analysis what it cannot see: that the caller holds the mutex.
  void AssertHeld() const IMGMOUNT_THREAD_ANNOTATION(assert_capability(this)) {}

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a mutex for a scope, or for parts of it.
class IMGMOUNT_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex)
      IMGMOUNT_THREAD_ANNOTATION(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() IMGMOUNT_THREAD_ANNOTATION(release_capability()) {
    if (is_held_) mutex_.Unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void Unlock() IMGMOUNT_THREAD_ANNOTATION(release_capability()) {
    is_held_ = false;
    mutex_.Unlock();
  }
  void Lock() IMGMOUNT_THREAD_ANNOTATION(acquire_capability()) {
    mutex_.Lock();
    is_held_ = true;
  }

 private:
  Mutex& mutex_;
  bool is_held_ = true;
};

// Waiting releases the mutex and takes it again, and may end for no reason.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    changed_.wait(lock);
    lock.release();
  }
  // False when the time has come.
  template <typename Clock, typename Duration>
  bool WaitUntil(Mutex& mutex,
                 const std::chrono::time_point<Clock, Duration>& time)
      REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const std::cv_status status = changed_.wait_until(lock, time);
    lock.release();
    return status == std::cv_status::no_timeout;
  }
  void NotifyOne() { changed_.notify_one(); }
  void NotifyAll() { changed_.notify_all(); }

 private:
  std::condition_variable changed_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_MUTEX_H_
