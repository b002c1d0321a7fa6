// SPDX-License-Identifier: Apache-2.0
// Retry: how often and how long to wait between attempts.
//
// Exponential back-off with jitter, so that many who were refused at one
// moment do not come back at one moment; a server's Retry-After is honoured.
#ifndef IMGMOUNT_FETCH_HTTP_RETRY_H_
#define IMGMOUNT_FETCH_HTTP_RETRY_H_

#include <chrono>
#include <functional>

#include "fetch/http/transport_error.h"

namespace imgmount {

struct RetryPolicy {
  int attempts = 5;  // in a row without progress; as Docker
  std::chrono::milliseconds first_wait{1000};
  // A server that wants us to wait longer than this is given up on.
  int longest_wait_seconds = 60;
  // Sleeps; replaced in tests.
  std::function<void(std::chrono::milliseconds)> sleep;
  // Uniform in [0, 1); replaced in tests.
  std::function<double()> random;

  static RetryPolicy Real();
};

// The wait before another attempt, after `failures` of them in a row; nullopt
// when it is time to give up.
std::optional<std::chrono::milliseconds> WaitBefore(
    const RetryPolicy& policy, int failures, const TransportError& error);

// Waits, and calls `on_second` with the seconds that are left each time their
// number changes, as Docker counts down. False when `stopped` became true.
bool Wait(const RetryPolicy& policy, std::chrono::milliseconds time,
          const std::function<void(int)>& on_second,
          const std::function<bool()>& stopped);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_RETRY_H_
