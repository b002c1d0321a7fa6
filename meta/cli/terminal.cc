// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/terminal.h"

#include <sys/ioctl.h>

#include <CLI/CLI.hpp>

namespace imgmount {

bool IsDumbTerminal(const ToolIo& io) {
  const std::string name = io.env("TERM").value_or("");
  return name.empty() || name == "dumb";
}

int TerminalColumns(int fd) {
  struct winsize size = {};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void AddColourOption(CLI::App& app, std::string& when) {
  when = "auto";
  app.add_option("--color", when, "Whether to colour the output")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN")
      ->capture_default_str();
}

bool UsesColour(const std::string& when, const ToolIo& io) {
  if (when != "auto") return when == "always";
  return io.out_is_terminal && !IsDumbTerminal(io) &&
         io.env("NO_COLOR").value_or("").empty();
}

}  // namespace imgmount
