// SPDX-License-Identifier: Apache-2.0
#include "meta/base/mutex.h"

#include <gtest/gtest.h>

#include <thread>

namespace imgmount {
namespace {

TEST(MutexTest, IsHeldForTheScopeOrPartsOfIt) {
  Mutex mutex;
  const auto is_free = [&mutex] {
    bool taken = false;
    std::thread([&] {
      if (!mutex.TryLock()) return;
      mutex.Unlock();
      taken = true;
    }).join();
    return taken;
  };
  {
    MutexLock lock(mutex);
    EXPECT_FALSE(is_free());
    lock.Unlock();
    EXPECT_TRUE(is_free());
    lock.Lock();
    EXPECT_FALSE(is_free());
  }
  EXPECT_TRUE(is_free());
}

TEST(MutexTest, WaitingReleasesItAndTakesItAgain) {
  struct {
    Mutex mutex;
    CondVar changed;
    bool asked GUARDED_BY(mutex) = false;
    bool answered GUARDED_BY(mutex) = false;
  } shared;
  std::thread other([&shared] {
    const MutexLock lock(shared.mutex);
    while (!shared.asked) shared.changed.Wait(shared.mutex);
    shared.answered = true;
    shared.changed.NotifyAll();
  });
  {
    const MutexLock lock(shared.mutex);
    shared.asked = true;
    shared.changed.NotifyAll();
    while (!shared.answered) shared.changed.Wait(shared.mutex);
    EXPECT_FALSE(shared.changed.WaitUntil(
        shared.mutex, std::chrono::steady_clock::time_point()));
  }
  other.join();
}

}  // namespace
}  // namespace imgmount
