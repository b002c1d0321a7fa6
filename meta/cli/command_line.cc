// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "meta/cli/app_lookup.h"
#include "meta/cli/completion.h"
#include "meta/cli/help_format.h"
#include "meta/cli/man_page.h"
#include "meta/cli/suggest.h"

namespace imgmount {
namespace {

// The command that the arguments have got to: "imgcache prune".
const CLI::App& Reached(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : Reached(*chosen.back());
}

std::vector<std::string> OptionsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

std::vector<std::string> CommandsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    names.push_back(command->get_name());
  }
  return names;
}

// "-H=false" as "--human=false": CLI11 takes a flag's value behind its long
// name alone, Docker's tools behind both.
std::string WithLongFlag(const CLI::App& command, const std::string& arg) {
  if (arg.size() < 3 || arg[0] != '-' || arg[1] == '-' || arg[2] != '=') {
    return arg;
  }
  const CLI::Option* flag = FindOption(command, arg.substr(0, 2));
  if (flag == nullptr || TakesValue(*flag) || flag->get_lnames().empty()) {
    return arg;
  }
  return "--" + flag->get_lnames().front() + arg.substr(2);
}

void UseLongFlags(const CLI::App& app, std::vector<std::string>& args) {
  const CLI::App* command = &app;
  for (std::string& arg : args) {
    if (arg == "--") return;
    arg = WithLongFlag(*command, arg);
    if (const CLI::App* next = FindCommand(*command, arg)) command = next;
  }
}

// Says what is wrong with the first argument that nothing took.
std::string AboutExtra(const CLI::App& app) {
  const std::string extra = app.remaining(/*recurse=*/true).front();
  const CLI::App& command = Reached(app);
  if (extra.starts_with('-')) {
    const std::string name = extra.substr(0, extra.find('='));
    return "unknown option " + name + DidYouMean(name, OptionsOf(command));
  }
  const auto commands = CommandsOf(command);
  if (!commands.empty()) {
    return "unknown command " + extra + DidYouMean(extra, commands);
  }
  return "unexpected argument " + extra;
}

}  // namespace

std::optional<int> ParseCommandLine(CLI::App& app,
                                    std::vector<std::string> args,
                                    const ToolIo& io, int usage_status) {
  const std::string& tool = app.get_name();
  app.set_version_flag("--version", tool + " " IMGMOUNT_VERSION,
                       "Print the version");
  app.get_help_ptr()->description("Print this help");
  UseHelpFormat(app);
  if (args == std::vector<std::string>{"--generate", "man"}) {
    io.out << ManPage(app);
    return 0;
  }
  if (!args.empty() && args[0] == "--complete") {
    args.erase(args.begin());
    io.out << Complete(app, args);
    return 0;
  }
  std::string wrong;
  try {
    UseLongFlags(app, args);
    std::reverse(args.begin(), args.end());  // as CLI11 wants them
    app.parse(std::move(args));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    const CLI::App& command = Reached(app);
    io.out << command.help(&command == &app ? "" : tool);
    return 0;
  } catch (const CLI::Success& asked) {
    app.exit(asked, io.out, io.err);
    return 0;
  } catch (const CLI::ParseError& error) {
    wrong = app.remaining(/*recurse=*/true).empty() ? error.what()
                                                    : AboutExtra(app);
  }
  // CLI11 has messages of several lines.
  std::replace(wrong.begin(), wrong.end(), '\n', ' ');
  if (!wrong.ends_with('?')) wrong += "; see " + tool + " --help";
  io.err << tool << ": " << wrong << '\n';
  return usage_status;
}

}  // namespace imgmount
