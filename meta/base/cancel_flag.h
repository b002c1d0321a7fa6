// SPDX-License-Identifier: Apache-2.0
#ifndef IMGMOUNT_META_BASE_CANCEL_FLAG_H_
#define IMGMOUNT_META_BASE_CANCEL_FLAG_H_

#include <atomic>
#include <functional>

namespace imgmount {

// Set by a signal handler; long calls look at it and end with kCancelled.
using CancelFlag = std::atomic<bool>;

// Tells whether the flag, which may be null, has been set.
inline std::function<bool()> StoppedBy(const CancelFlag* cancel) {
  return [cancel] { return cancel != nullptr && cancel->load(); };
}

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_CANCEL_FLAG_H_
