// SPDX-License-Identifier: Apache-2.0
#ifndef IMGMOUNT_TOOLS_RUN_TOOL_H_
#define IMGMOUNT_TOOLS_RUN_TOOL_H_

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

#include "meta/base/result.h"
#include "meta/base/tool_io.h"
#include "meta/cli/command_line.h"

namespace imgmount {

// The main function of a tool with one job: declares and parses its Arguments
// (with ImageOptions as image_options), runs it, and reports what failed.
// Returns the exit status.
template <typename Arguments>
int RunTool(const char* tool, const char* about, std::vector<std::string> args,
            const ToolIo& io, void (*declare)(CLI::App&, Arguments&),
            Status (*run)(const Arguments&, const ToolIo&)) {
  CLI::App app(about, tool);
  Arguments arguments;
  declare(app, arguments);
  if (const auto done = ParseCommandLine(app, std::move(args), io)) {
    return *done;
  }
  const Status status = run(arguments, io);
  if (status) return 0;
  return arguments.image_options.ReportFailure(io, tool, status.error());
}

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_RUN_TOOL_H_
