// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/man_page.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>
#include <string_view>

#include "meta/cli/app_lookup.h"

namespace imgmount {
namespace {

constexpr std::array kTools = {"imgcache",  "imgcat",     "imgdiff",
                               "imgexport", "imghistory", "imginspect",
                               "imgmount",  "imgpull"};

// Text for troff: no character of it is a command.
std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      default:
        out += c;
    }
  }
  if (out.starts_with('.')) out.insert(0, "\\&");
  return out;
}

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(c));
  return text;
}

// A footer in the parts that it has.
struct Footer {
  std::string description;
  std::string examples;
  std::string environment;
  std::string exit_status;
};

Footer Split(const std::string& text) {
  Footer footer;
  std::string* part = &footer.description;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view kExitStatus = "Exit status: ";
    if (line == "Examples:") {
      part = &footer.examples;
    } else if (line == "Environment:") {
      part = &footer.environment;
    } else if (line.starts_with(kExitStatus)) {
      part = &footer.exit_status;
      *part += line.substr(kExitStatus.size()) + '\n';
    } else {
      *part += line + '\n';
    }
  }
  return footer;
}

// Paragraphs are filled; indented lines stay as they are.
std::string Roff(const std::string& text) {
  std::string out;
  bool literal = false;
  bool paragraph = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool indented = line.starts_with("  ");
    if (literal && !indented) {
      out += ".fi\n";
      literal = false;
    }
    if (line.empty()) {
      paragraph = !out.empty();
      continue;
    }
    if (paragraph) out += ".PP\n";
    paragraph = false;
    if (indented && !literal) {
      out += ".nf\n";
      literal = true;
    }
    out += Escaped(indented ? line.substr(2) : line) + '\n';
  }
  if (literal) out += ".fi\n";
  return out;
}

void AddSection(std::string& out, const std::string& name,
                const std::string& text) {
  const std::string body = Roff(text);
  if (!body.empty()) out += ".SH " + name + '\n' + body;
}

// The text that --help prints as "Usage: …", up to an empty line.
std::string Synopsis(const CLI::App& app, const std::string& parent) {
  constexpr std::string_view kUsage = "Usage: ";
  const std::string help = app.help(parent);
  std::istringstream lines(
      help.substr(std::min(help.find(kUsage), help.size())));
  std::string out;
  for (std::string line; std::getline(lines, line) && !line.empty();) {
    const size_t start =
        line.starts_with(kUsage) ? kUsage.size() : line.find_first_not_of(' ');
    if (start == std::string::npos) break;
    if (!out.empty()) out += ".br\n";
    out += Escaped(line.substr(start)) + '\n';
  }
  return out;
}

std::string OptionNames(const CLI::Option& option) {
  std::string names;
  const auto add = [&](const std::string& name) {
    if (!names.empty()) names += ", ";
    names += "\\fB" + Escaped(name) + "\\fR";
  };
  for (const std::string& name : option.get_snames()) add("-" + name);
  for (const std::string& name : option.get_lnames()) add("--" + name);
  const std::string value = ValueOf(option).name;
  if (!value.empty()) names += " \\fI" + Escaped(value) + "\\fR";
  return names;
}

std::string Options(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() || option->get_group().empty()) continue;
    out += ".TP\n" + OptionNames(*option) + '\n' +
           Escaped(option->get_description()) + '\n';
    const std::string values =
        ValueText(ValueOf(*option), option->get_default_str());
    if (!values.empty()) out += Escaped("(" + values + ")") + '\n';
  }
  return out;
}

std::string Command(const CLI::App& command, const std::string& tool) {
  const Footer footer = Split(command.get_footer());
  std::string out = ".SS " + Escaped(command.get_name()) + '\n';
  out += Synopsis(command, tool);
  out += ".PP\n" + Escaped(command.get_description()) + ".\n";
  out += Roff(footer.description) + Options(command);
  if (!footer.examples.empty()) {
    out += ".PP\nExamples:\n.PP\n" + Roff(footer.examples);
  }
  return out;
}

std::string LastOther(const std::string& tool) {
  return tool == kTools.back() ? kTools[kTools.size() - 2] : kTools.back();
}

}  // namespace

std::string ManPage(const CLI::App& app) {
  const std::string& tool = app.get_name();
  std::string description = app.get_description();
  while (description.ends_with('.')) description.pop_back();
  const Footer footer = Split(app.get_footer());

  std::string out = ".TH " + Upper(tool) +
                    " 1 \"\" \"imgmount " IMGMOUNT_VERSION
                    "\" \"User Commands\"\n.nh\n.ad l\n";
  out += ".SH NAME\n" + tool + " \\- " + Escaped(description) + '\n';
  out += ".SH SYNOPSIS\n" + Synopsis(app, "");
  AddSection(out, "DESCRIPTION", footer.description);
  out += ".SH OPTIONS\n" + Options(app);
  const auto commands = app.get_subcommands({});
  if (!commands.empty()) out += ".SH COMMANDS\n";
  for (const CLI::App* command : commands) out += Command(*command, tool);
  AddSection(out, "EXAMPLES", footer.examples);
  AddSection(out, "ENVIRONMENT", footer.environment);
  AddSection(out, "EXIT STATUS", footer.exit_status);
  out += ".SH SEE ALSO\n";
  for (const std::string other : kTools) {
    if (other == tool) continue;
    // A comma belongs to the macro's last argument.
    out += ".BR " + other + (other == LastOther(tool) ? " (1)\n" : " (1),\n");
  }
  return out;
}

}  // namespace imgmount
