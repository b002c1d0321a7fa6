// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/completion.h"

#include <CLI/CLI.hpp>
#include <sstream>
#include <string_view>

#include "meta/cli/app_lookup.h"

namespace imgmount {
namespace {

// The choices of CLI::IsMember, which stand behind the type: "WHAT:{a,b}".
std::string Choices(const std::string& type) {
  const size_t open = type.find('{');
  const size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return "";
  std::string lines;
  std::istringstream choices(type.substr(open + 1, close - open - 1));
  for (std::string choice; std::getline(choices, choice, ',');) {
    lines += choice + '\n';
  }
  return lines;
}

bool TakesAllThatFollows(const CLI::Option& option) {
  return option.get_items_expected_max() > 1 && option.get_allow_extra_args();
}

// The kind of an option's or argument's values, by its name and its type's.
std::string Values(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (const std::string choices = Choices(type); !choices.empty()) {
    return choices;
  }
  const std::string name = option.get_name(/*positional=*/true);
  if (option.check_name("--unmount")) return ":mounts\n";
  if (option.check_name("--format")) return "json\ntable\n";
  if (name == "IMAGE") return ":images\n";
  if (name == "OPERAND") return ":images\n:folders\n";
  if (name == "DIR" || type == "DIR") return ":folders\n";
  if (name == "FILE" || type == "FILE") return ":files\n";
  return "";
}

std::string OptionLines(const CLI::App& app) {
  std::string lines;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() || option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) {
      lines += "--" + name + '\t' + option->get_description() + '\n';
    }
  }
  return lines;
}

// The one that the count of arguments before it leads to; the last may repeat.
std::string ArgumentLines(const CLI::App& app, size_t before) {
  const CLI::Option* last = nullptr;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    last = option;
    if (before-- == 0) return Values(*option);
  }
  const bool repeats = last != nullptr && last->get_items_expected_max() > 1;
  return repeats ? Values(*last) : "";
}

}  // namespace

std::string Complete(const CLI::App& app,
                     const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  const CLI::Option* greedy = nullptr;
  size_t arguments = 0;
  bool options_end = false;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (!options_end && word == "--") {
      options_end = true;
    } else if (!options_end && word.size() > 1 && word[0] == '-') {
      const CLI::Option* option = FindOption(*command, word);
      if (option == nullptr || !TakesValue(*option)) continue;
      if (i + 2 == words.size()) return Values(*option);
      ++i;
      if (TakesAllThatFollows(*option)) greedy = option;
    } else if (const CLI::App* next = FindCommand(*command, word)) {
      command = next;
    } else {
      ++arguments;
    }
  }
  const std::string last = words.empty() ? "" : words.back();
  if (!options_end && last.starts_with('-')) {
    const size_t equals = last.find('=');
    if (equals == std::string::npos) return OptionLines(*command);
    const CLI::Option* option = FindOption(*command, last.substr(0, equals));
    if (option == nullptr) return "";
    std::string lines;
    std::istringstream values(Values(*option));
    for (std::string value; std::getline(values, value);) {
      // Values that a shell looks for itself it does not find behind a "=".
      if (value[0] != ':') lines += last.substr(0, equals + 1) + value + '\n';
    }
    return lines;
  }
  if (greedy != nullptr) return Values(*greedy);
  const auto commands = command->get_subcommands({});
  if (commands.empty()) return ArgumentLines(*command, arguments);
  std::string lines;
  for (const CLI::App* each : commands) {
    lines += each->get_name() + '\t' + each->get_description() + '\n';
  }
  return lines;
}

}  // namespace imgmount
