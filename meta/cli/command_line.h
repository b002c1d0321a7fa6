// SPDX-License-Identifier: Apache-2.0
// The part of a command line that is the same for every tool.
#ifndef IMGMOUNT_META_CLI_COMMAND_LINE_H_
#define IMGMOUNT_META_CLI_COMMAND_LINE_H_

#include <optional>
#include <string>
#include <vector>

#include "meta/base/tool_io.h"

namespace CLI {
class App;
}

namespace imgmount {

inline constexpr int kUsageStatus = 64;

// Parses `args` into what the tool has declared; the app's name is the tool's.
// nullopt: go on. Otherwise the tool is done, with this exit status: --help
// and --version (declared here) have been answered, or one line of stderr says
// what is wrong, with a suggestion for a mistyped option or command.
// `usage_status` is for tools that must end otherwise, as diff(1).
std::optional<int> ParseCommandLine(CLI::App& app,
                                    std::vector<std::string> args,
                                    const ToolIo& io,
                                    int usage_status = kUsageStatus);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_COMMAND_LINE_H_
