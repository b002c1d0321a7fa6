// SPDX-License-Identifier: Apache-2.0
#ifndef IMGMOUNT_TESTS_SUPPORT_CHANGE_LINES_H_
#define IMGMOUNT_TESTS_SUPPORT_CHANGE_LINES_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "meta/diff/tree_diff.h"

namespace imgmount::testing {

// The changes, a line each: "A /etc/motd".
inline std::vector<std::string> ChangeLines(const Result<ChangeList>& list) {
  EXPECT_TRUE(list) << list.error().message();
  std::vector<std::string> lines;
  for (const Change& change : list->changes) {
    lines.push_back(static_cast<char>(change.kind) +
                    (' ' + list->Path(change)));
  }
  return lines;
}

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_CHANGE_LINES_H_
