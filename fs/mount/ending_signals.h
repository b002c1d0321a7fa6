// SPDX-License-Identifier: Apache-2.0
#ifndef IMGMOUNT_FS_MOUNT_ENDING_SIGNALS_H_
#define IMGMOUNT_FS_MOUNT_ENDING_SIGNALS_H_

#include <csignal>

#include "meta/base/file.h"
#include "meta/base/result.h"

namespace imgmount {

// While it lives, the signals that end a mount (SIGTERM, SIGINT, SIGHUP) wait
// in its file. Threads that are made meanwhile must take none.
class EndingSignals {
 public:
  static Result<EndingSignals> Catch();
  EndingSignals(EndingSignals&&) = default;
  ~EndingSignals();
  // Readable once one has come.
  int fd() const { return fd_.get(); }

 private:
  EndingSignals() = default;
  UniqueFd fd_;
  sigset_t ending_;
  sigset_t before_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_ENDING_SIGNALS_H_
