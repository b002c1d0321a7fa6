// SPDX-License-Identifier: Apache-2.0
// StartQuietThread: a thread that takes no signals, so that those that end a
// mount reach the thread that waits for them.
#ifndef IMGMOUNT_META_BASE_QUIET_THREAD_H_
#define IMGMOUNT_META_BASE_QUIET_THREAD_H_

#include <csignal>
#include <thread>
#include <utility>

namespace imgmount {

template <typename Body>
std::thread StartQuietThread(Body&& body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigdelset(&all, SIGBUS);  // its own: a mapped file that was cut
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::forward<Body>(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_QUIET_THREAD_H_
