// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/help_format.h"

#include <memory>
#include <sstream>
#include <utility>

#include "meta/cli/app_lookup.h"

namespace imgmount {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kTextColumn = 26;

// A name, and behind it its text, filled from one column on.
std::string Item(const std::string& name, const std::string& text) {
  std::string line = "  " + name;
  std::string out;
  if (line.size() + 2 > kTextColumn) {
    out = line + '\n';
    line.clear();
  }
  std::istringstream words(text);
  bool is_first = true;
  for (std::string word; words >> word; is_first = false) {
    if (!is_first && line.size() + 1 + word.size() > kWidth) {
      out += line + '\n';
      is_first = true;
      line.clear();
    }
    if (is_first) {
      line.resize(kTextColumn, ' ');
    } else {
      line += ' ';
    }
    line += word;
  }
  return out + line + '\n';
}

std::string Names(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames()) names += ", -" + name;
  for (const std::string& name : option.get_lnames()) names += ", --" + name;
  return names.substr(names.empty() ? 0 : 2);
}

}  // namespace

HelpFormat::HelpFormat(std::string usage) : usage_(std::move(usage)) {
  label("Positionals", "Arguments");
  label("SUBCOMMAND", "COMMAND");
}

std::string HelpFormat::make_usage(const CLI::App* app,
                                   std::string name) const {
  return usage_.empty() ? Formatter::make_usage(app, std::move(name)) : usage_;
}

std::string HelpFormat::make_option(const CLI::Option* option,
                                    bool is_positional) const {
  if (is_positional) {
    const bool repeats = option->get_items_expected_max() > 1;
    return Item(option->get_name(/*positional=*/true) + (repeats ? "..." : ""),
                option->get_description());
  }
  const OptionValue value = ValueOf(*option);
  std::string text = option->get_description();
  const std::string values = ValueText(value, option->get_default_str());
  if (!values.empty()) text += " (" + values + ")";
  return Item(Names(*option) + (value.name.empty() ? "" : " " + value.name),
              text);
}

std::string HelpFormat::make_subcommand(const CLI::App* command) const {
  return Item(command->get_name(), command->get_description());
}

// Without a word on how many commands there must be.
std::string HelpFormat::make_description(const CLI::App* app) const {
  return app->get_description() + "\n\n";
}

void UseHelpFormat(CLI::App& app) {
  if (!std::dynamic_pointer_cast<HelpFormat>(app.get_formatter())) {
    app.formatter(std::make_shared<HelpFormat>());
  }
  for (CLI::App* command : app.get_subcommands({})) {
    command->group("Commands");
    UseHelpFormat(*command);
  }
}

}  // namespace imgmount
