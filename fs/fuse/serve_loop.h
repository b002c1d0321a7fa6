// SPDX-License-Identifier: Apache-2.0
// ServeLoop: the threads that take requests from the kernel and answer them.
//
// One thread listens at a time. What can be answered at once it answers itself;
// before anything that may take longer, and while more requests wait, it lets
// another thread listen. So a program that asks for one thing after the other
// is served without waking threads, which between two processors of a virtual
// machine takes longer than most answers. For the same reason a listener looks
// again for a moment before it sleeps.
#ifndef IMGMOUNT_FS_FUSE_SERVE_LOOP_H_
#define IMGMOUNT_FS_FUSE_SERVE_LOOP_H_

#include <cstddef>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include "fs/log.h"
#include "meta/base/mutex.h"
#include "meta/base/result.h"

struct fuse_buf;
struct fuse_session;

namespace imgmount {

// That answer side by side, at most.
inline constexpr size_t kMaxServingThreads = 8;

class ServeLoop {
 public:
  // Whether a request, header and all, is answered without waiting for
  // anything. Called from any thread.
  using AtOnce = std::function<bool(std::span<const std::byte> request)>;

  // Ends when `stop_fd` is readable. The session is mounted and outlives this.
  // `log` is for what libfuse prints.
  ServeLoop(fuse_session* session, int stop_fd, AtOnce at_once, Log log);

  // Serves on this thread and on others, until the file system is unmounted or
  // stopped; no thread is left then.
  Status Run();

 private:
  enum class State { kGoesOn, kMoreWaiting, kStopped };

  void Work() EXCLUDES(mutex_);
  // The next request, when there is one. False: there will be none any more.
  bool Receive(fuse_buf& request) EXCLUDES(mutex_);
  State PollState() const;
  void LetAnotherListen() EXCLUDES(mutex_);
  void Stop() EXCLUDES(mutex_);

  fuse_session* const session_;
  const int fd_;
  const int stop_fd_;
  const AtOnce at_once_;
  const Log log_;
  const size_t processors_;

  Mutex mutex_;
  CondVar wake_;
  bool listening_ GUARDED_BY(mutex_) = false;  // a thread is
  bool stopped_ GUARDED_BY(mutex_) = false;
  int idle_ GUARDED_BY(mutex_) = 0;  // threads that wait for their turn
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
  Status status_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_FUSE_SERVE_LOOP_H_
