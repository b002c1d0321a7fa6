// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace imgmount {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

const TransportError kPassing{Error(ErrorCode::kUnavailable, "busy"),
                              TransportError::Kind::kTransient};

RetryPolicy Quiet(double random) {
  RetryPolicy policy;
  policy.sleep = [](milliseconds) {};
  policy.random = [random] { return random; };
  return policy;
}

TEST(Retry, WaitsLongerEveryTime) {
  const RetryPolicy policy = Quiet(0.5);
  EXPECT_EQ(WaitBefore(policy, 1, kPassing), milliseconds(1000));
  EXPECT_EQ(WaitBefore(policy, 2, kPassing), milliseconds(2000));
  EXPECT_EQ(WaitBefore(policy, 4, kPassing), milliseconds(8000));
}

TEST(Retry, GivesUpAfterFiveAttempts) {
  EXPECT_TRUE(WaitBefore(Quiet(0), 4, kPassing));
  EXPECT_FALSE(WaitBefore(Quiet(0), 5, kPassing));
}

TEST(Retry, SpreadsThoseWhoWait) {
  EXPECT_EQ(WaitBefore(Quiet(0), 1, kPassing), milliseconds(500));
  EXPECT_EQ(WaitBefore(Quiet(0.999), 1, kPassing), milliseconds(1499));
}

TEST(Retry, DoesWhatTheServerSays) {
  TransportError error = kPassing;
  error.retry_after = 7;
  EXPECT_EQ(WaitBefore(Quiet(0), 1, error), milliseconds(7000));
}

TEST(Retry, GivesUpOnAServerThatWantsHours) {
  TransportError error = kPassing;
  error.retry_after = 3600;
  EXPECT_FALSE(WaitBefore(Quiet(0), 1, error));
}

TEST(Retry, CountsTheSecondsDown) {
  milliseconds slept{0};
  RetryPolicy policy = Quiet(0);
  policy.sleep = [&](milliseconds time) { slept += time; };
  std::vector<int> told;
  EXPECT_TRUE(Wait(
      policy, milliseconds(2500), [&](int s) { told.push_back(s); },
      [] { return false; }));
  EXPECT_THAT(told, ElementsAre(3, 2, 1));
  EXPECT_EQ(slept, milliseconds(2500));
}

TEST(Retry, IsInterruptedInTheMiddleOfAWait) {
  int slices = 0;
  RetryPolicy policy = Quiet(0);
  policy.sleep = [&](milliseconds) { ++slices; };
  EXPECT_FALSE(Wait(
      policy, milliseconds(60'000), [](int) {}, [&] { return slices == 3; }));
  EXPECT_EQ(slices, 3);
}

}  // namespace
}  // namespace imgmount
