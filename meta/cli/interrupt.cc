// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/interrupt.h"

namespace imgmount {
namespace {

CancelFlag interrupted = false;
static_assert(CancelFlag::is_always_lock_free, "set in a signal handler");

void OnSignal(int) { interrupted = true; }

}  // namespace

InterruptScope::InterruptScope() {
  interrupted = false;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  // The default is back for the second signal: the user means it.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, &old_int_);
  ::sigaction(SIGTERM, &action, &old_term_);
}

InterruptScope::~InterruptScope() {
  ::sigaction(SIGINT, &old_int_, nullptr);
  ::sigaction(SIGTERM, &old_term_, nullptr);
}

const CancelFlag& InterruptScope::flag() const { return interrupted; }

}  // namespace imgmount
