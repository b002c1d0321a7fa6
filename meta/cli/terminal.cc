#include "meta/cli/terminal.h"

#include <CLI/CLI.hpp>

namespace imgmount {

void AddColourOption(CLI::App& app, std::string& when) {
  when = "auto";
  app.add_option("--color", when, "Whether to colour the output")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN")
      ->capture_default_str();
}

bool UsesColour(const std::string& when, const ToolIo& io) {
  if (when != "auto") return when == "always";
  const std::string terminal = io.env("TERM").value_or("");
  return io.out_is_terminal && io.env("NO_COLOR").value_or("").empty() &&
         !terminal.empty() && terminal != "dumb";
}

}  // namespace imgmount
