// StartQuietThread: a thread that takes no signals, so that those that end a
// mount reach the thread that waits for them.
//
// StartBackgroundThread: one that also leaves the processor to those who have
// more urgent work. Nobody may have to wait for it.
#ifndef IMGMOUNT_FS_QUIET_THREAD_H_
#define IMGMOUNT_FS_QUIET_THREAD_H_

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <thread>
#include <utility>

namespace imgmount {

template <typename Body>
std::thread StartQuietThread(Body&& body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::forward<Body>(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

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
