// SPDX-License-Identifier: Apache-2.0
// Ctrl-C: a tool that downloads ends in order, with what it has kept.
#ifndef IMGMOUNT_META_CLI_INTERRUPT_H_
#define IMGMOUNT_META_CLI_INTERRUPT_H_

#include <csignal>

#include "meta/base/cancel_flag.h"

namespace imgmount {

// While it lives, SIGINT and SIGTERM set flag() instead of ending the process;
// a second one ends it at once. One at a time in a process.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  const CancelFlag& flag() const;

 private:
  struct sigaction old_int_;
  struct sigaction old_term_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_INTERRUPT_H_
