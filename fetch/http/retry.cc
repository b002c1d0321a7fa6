// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/retry.h"

#include <algorithm>
#include <random>
#include <thread>

namespace imgmount {

using std::chrono::milliseconds;

RetryPolicy RetryPolicy::Real() {
  RetryPolicy policy;
  policy.sleep = [](milliseconds time) { std::this_thread::sleep_for(time); };
  policy.random = [] {
    thread_local std::minstd_rand engine(std::random_device{}());
    return std::uniform_real_distribution<double>()(engine);
  };
  return policy;
}

std::optional<milliseconds> WaitBefore(const RetryPolicy& policy, int failures,
                                       const TransportError& error) {
  if (failures >= policy.attempts) return {};
  if (error.retry_after) {
    if (*error.retry_after > policy.longest_wait_seconds) return {};
    return std::chrono::seconds(*error.retry_after);
  }
  const milliseconds full =
      policy.first_wait * (1 << std::min(failures - 1, 6));
  // Between half of it and one and a half.
  return std::chrono::duration_cast<milliseconds>(full *
                                                  (0.5 + policy.random()));
}

bool Wait(const RetryPolicy& policy, milliseconds time,
          const std::function<void(int)>& on_second,
          const std::function<bool()>& stopped) {
  // Short, so that Ctrl-C takes effect at once.
  constexpr milliseconds kSlice{100};
  int last_seconds = -1;
  for (milliseconds left = time; left.count() > 0; left -= kSlice) {
    if (stopped()) return false;
    const auto seconds = static_cast<int>((left.count() + 999) / 1000);
    if (seconds != last_seconds) on_second(seconds);
    last_seconds = seconds;
    policy.sleep(std::min(left, kSlice));
  }
  return !stopped();
}

}  // namespace imgmount
