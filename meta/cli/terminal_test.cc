// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/terminal.h"

#include <gtest/gtest.h>

#include "tests/support/test_io.h"

namespace imgmount {
namespace {

class TerminalTest : public ::testing::Test {
 protected:
  ToolIo Terminal(bool is_terminal = true) const {
    return {.out = io_.io.out,
            .err = io_.io.err,
            .out_is_terminal = is_terminal,
            .env = io_.io.env};
  }
  testing::TestIo io_;
};

TEST_F(TerminalTest, IsForTerminalsThatCan) {
  EXPECT_FALSE(UsesColour("auto", Terminal())) << "TERM is not set";
  io_.env["TERM"] = "dumb";
  EXPECT_FALSE(UsesColour("auto", Terminal()));
  io_.env["TERM"] = "xterm";
  EXPECT_TRUE(UsesColour("auto", Terminal()));
  EXPECT_FALSE(UsesColour("auto", Terminal(false)));
}

TEST_F(TerminalTest, NoColorNeedsAValue) {
  io_.env["TERM"] = "xterm";
  io_.env["NO_COLOR"] = "";
  EXPECT_TRUE(UsesColour("auto", Terminal()));
  io_.env["NO_COLOR"] = "0";
  EXPECT_FALSE(UsesColour("auto", Terminal()));
}

TEST_F(TerminalTest, TheOptionDecides) {
  io_.env["NO_COLOR"] = "1";
  EXPECT_TRUE(UsesColour("always", Terminal(false)));
  io_.env.clear();
  io_.env["TERM"] = "xterm";
  EXPECT_FALSE(UsesColour("never", Terminal()));
}

}  // namespace
}  // namespace imgmount
