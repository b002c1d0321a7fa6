// SPDX-License-Identifier: Apache-2.0
// TestIo: what a tool prints, and an environment of a test's own.
#ifndef IMGMOUNT_TESTS_SUPPORT_TEST_IO_H_
#define IMGMOUNT_TESTS_SUPPORT_TEST_IO_H_

#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "meta/base/tool_io.h"

namespace imgmount::testing {

struct TestIo {
  std::ostringstream out;
  std::ostringstream err;
  std::map<std::string, std::string> env;

  const ToolIo io{
      .out = out,
      .err = err,
      .env = [this](const std::string& name) -> std::optional<std::string> {
        const auto found = env.find(name);
        if (found == env.end()) return std::nullopt;
        return found->second;
      }};
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_TEST_IO_H_
