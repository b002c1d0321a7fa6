// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/serve_loop.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "fs/fuse/fuse_api.h"
#include "fs/fuse/fuse_log.h"
#include "fs/fuse/fuse_request.h"
#include "fs/quiet_thread.h"

namespace imgmount {
namespace {

// How long to look again for the next request on `processors` of them. A
// program that walks a tree comes back within 100 us, one that only reads
// within 20; one that does not is not in a hurry. Whoever asks, or a decoder,
// may need the processor more.
std::chrono::microseconds SpinTime(size_t processors) {
  using Kind = BackgroundWork::Kind;
  const size_t sure = BackgroundWork::Count(Kind::kSure);
  const size_t others = 1 + sure + BackgroundWork::Count(Kind::kLikely);
  if (others < processors) return std::chrono::microseconds(100);
  const bool spins = sure == 0 && processors > 1;
  return std::chrono::microseconds(spins ? 20 : 0);
}

}  // namespace

ServeLoop::ServeLoop(fuse_session* session, int stop_fd, AtOnce at_once,
                     Log log)
    : session_(session),
      fd_(::fuse_session_fd(session)),
      stop_fd_(stop_fd),
      at_once_(std::move(at_once)),
      log_(std::move(log)),
      processors_(std::thread::hardware_concurrency()) {}

Status ServeLoop::Run() {
  const int flags = ::fcntl(fd_, F_GETFL);
  if (flags < 0 || ::fcntl(fd_, F_SETFL, flags | O_NONBLOCK) < 0) {
    return FailErrno("serving the mount", errno);
  }
  Work();
  // No thread is added any more, so nobody else needs them.
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  const MutexLock lock(mutex_);
  return std::move(status_);
}

void ServeLoop::Work() {
  const FuseLogScope libfuse(log_);
  FuseRequest request;
  MutexLock lock(mutex_);
  while (!stopped_) {
    if (listening_) {
      ++idle_;
      wake_.Wait(mutex_);
      --idle_;
      continue;
    }
    listening_ = true;
    lock.Unlock();
    for (bool listens = true; listens;) {
      if (!Receive(request)) {
        Stop();
        break;
      }
      const State state = PollState();
      if (state == State::kStopped) Stop();
      listens = state == State::kGoesOn && at_once_(request.bytes());
      if (!listens) LetAnotherListen();
      ::fuse_session_process_buf(session_, &request);
    }
    lock.Lock();
  }
}

bool ServeLoop::Receive(fuse_buf& request) {
  using Clock = std::chrono::steady_clock;
  const auto enough = Clock::now() + SpinTime(processors_);
  while (true) {
    const int got = ::fuse_session_receive_buf(session_, &request);
    if (got > 0) return true;
    if (got == 0) return false;  // unmounted
    if (got != -EAGAIN && got != -EINTR) {
      const MutexLock lock(mutex_);
      status_ = FailErrno("serving the mount", -got);
      return false;
    }
    if (Clock::now() < enough) {
      ::sched_yield();
      continue;
    }
    pollfd fds[] = {{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    ::poll(fds, 2, -1);
    if (fds[1].revents != 0) return false;
  }
}

ServeLoop::State ServeLoop::PollState() const {
  pollfd fds[] = {{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  if (::poll(fds, 2, 0) <= 0) return State::kGoesOn;
  return fds[1].revents != 0 ? State::kStopped : State::kMoreWaiting;
}

void ServeLoop::LetAnotherListen() {
  const MutexLock lock(mutex_);
  listening_ = false;
  if (stopped_) return;
  if (idle_ > 0) {
    wake_.NotifyOne();
  } else if (threads_.size() + 1 < kMaxServingThreads) {
    try {
      threads_.push_back(StartQuietThread([this] { Work(); }));
    } catch (const std::system_error&) {
      // Those that there are do it.
    }
  }
}

void ServeLoop::Stop() {
  const MutexLock lock(mutex_);
  stopped_ = true;
  wake_.NotifyAll();
}

}  // namespace imgmount
