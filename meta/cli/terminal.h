// SPDX-License-Identifier: Apache-2.0
// The terminal that a tool writes to: whether it shows colours.
#ifndef IMGMOUNT_META_CLI_TERMINAL_H_
#define IMGMOUNT_META_CLI_TERMINAL_H_

#include <string>

#include "meta/base/tool_io.h"

namespace CLI {
class App;
}

namespace imgmount {

// Whether $TERM tells of no terminal that can move its cursor or show colours.
bool IsDumbTerminal(const ToolIo& io);

// The width of the terminal behind a descriptor; 0 where that is not known.
int TerminalColumns(int fd);

// Declares --color; `when` is its value.
void AddColourOption(CLI::App& app, std::string& when);

// `when`: "always", "never" or "auto". Automatic is: on a terminal that can,
// unless $NO_COLOR is set to something (no-color.org).
bool UsesColour(const std::string& when, const ToolIo& io);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_TERMINAL_H_
