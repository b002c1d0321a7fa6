// SPDX-License-Identifier: Apache-2.0
// GoogleMock's matchers that tests use, by their short names: inside imgmount,
// testing is imgmount::testing.
#ifndef IMGMOUNT_TESTS_SUPPORT_MATCHERS_H_
#define IMGMOUNT_TESTS_SUPPORT_MATCHERS_H_

#include <gmock/gmock.h>

namespace imgmount {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

}  // namespace imgmount

#endif  // IMGMOUNT_TESTS_SUPPORT_MATCHERS_H_
