// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/app_lookup.h"

#include <CLI/CLI.hpp>
#include <regex>
#include <sstream>

namespace imgmount {

bool TakesValue(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

const CLI::Option* FindOption(const CLI::App& app, const std::string& name) {
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional() && option->check_name(name)) return option;
  }
  return nullptr;
}

// CLI11 tells of its checks behind the type: "WORD:{a,b}", "N:INT in [1 - 64]".
OptionValue ValueOf(const CLI::Option& option) {
  OptionValue value;
  if (!TakesValue(option)) return value;
  value.name = option.get_type_name();
  static const std::regex range(":U?INT in \\[(\\d+) - (\\d+)\\]");
  if (std::smatch found; std::regex_search(value.name, found, range)) {
    value.range = found[1].str() + " to " + found[2].str();
    value.name = found.prefix();
    return value;
  }
  const size_t open = value.name.find(":{");
  if (open == std::string::npos || !value.name.ends_with('}')) return value;
  std::istringstream choices(
      value.name.substr(open + 2, value.name.size() - open - 3));
  for (std::string choice; std::getline(choices, choice, ',');) {
    value.choices.push_back(choice);
  }
  value.name.resize(open);
  return value;
}

std::string ValueText(const OptionValue& value,
                      const std::string& default_value) {
  std::string text = value.range;
  for (size_t i = 0; i < value.choices.size(); ++i) {
    if (i > 0) text += i + 1 < value.choices.size() ? ", " : " or ";
    text += value.choices[i];
  }
  if (default_value.empty()) return text;
  return (text.empty() ? "" : text + "; ") + "default: " + default_value;
}

const CLI::App* FindCommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

}  // namespace imgmount
