// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/bus_error_log.h"

#include <atomic>

namespace imgmount {
namespace {

std::atomic<const Log*> log_of_process = nullptr;

// A fault comes from reading mapped memory, where nobody holds what a log
// needs; a signal that was sent comes anywhere, and is passed over. Back from
// here the instruction faults again, and the process ends.
void OnBusError(int /*number*/, siginfo_t* info, void* /*context*/) {
  const Log* const log = log_of_process.exchange(nullptr);
  if (info->si_code <= 0) {
    ::raise(SIGBUS);
  } else if (log != nullptr) {
    LogTo(*log,
          "a file of the cache was cut while it was mapped, or its disk fails: "
          "imgcache verify --repair");
  }
}

}  // namespace

BusErrorLog::BusErrorLog(const Log& log) {
  log_of_process = &log;
  struct sigaction action = {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGBUS, &action, &before_);
}

BusErrorLog::~BusErrorLog() {
  ::sigaction(SIGBUS, &before_, nullptr);
  log_of_process = nullptr;
}

}  // namespace imgmount
