// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/ending_signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace imgmount {

Result<EndingSignals> EndingSignals::Catch() {
  EndingSignals signals;
  ::sigemptyset(&signals.ending_);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    ::sigaddset(&signals.ending_, number);
  }
  signals.fd_ =
      UniqueFd(::signalfd(-1, &signals.ending_, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.fd_) return FailErrno("signals", errno);
  ::pthread_sigmask(SIG_BLOCK, &signals.ending_, &signals.before_);
  return signals;
}

EndingSignals::~EndingSignals() {
  if (!fd_) return;
  // Those that came did what they should.
  for (signalfd_siginfo got; ::read(fd_.get(), &got, sizeof got) > 0;) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace imgmount
