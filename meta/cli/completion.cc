// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/completion.h"

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <sstream>
#include <string_view>

#include "meta/cli/app_lookup.h"

namespace imgmount {
namespace {

bool TakesAllThatFollows(const CLI::Option& option) {
  return option.get_items_expected_max() > 1 && option.get_allow_extra_args();
}

std::string Lines(std::initializer_list<std::string_view> values) {
  std::string lines;
  for (const std::string_view value : values)
    lines += std::string(value) + '\n';
  return lines;
}

// Behind the last comma of a list.
std::string InList(const std::string& typed, const std::string& lines) {
  const std::string before = typed.substr(0, typed.rfind(',') + 1);
  std::string out;
  std::istringstream values(lines);
  for (std::string value; std::getline(values, value);) {
    out += before + value + '\n';
  }
  return out;
}

// Images, and what may be in front of others; once it has been begun, as it is
// rarely meant.
std::string Images(const std::string& typed) {
  std::string lines = ":images\n";
  for (const std::string_view transport :
       {"oci:", "oci-archive:", "docker-archive:", "docker-daemon:",
        "containers-storage:"}) {
    if (!typed.empty() && transport.starts_with(typed)) {
      lines += std::string(transport) + '\n';
    }
  }
  return lines;
}

// What an option or argument is about, by its name and its type's; `typed` is
// there of it.
std::string Values(const CLI::Option& option, const std::string& typed) {
  const OptionValue value = ValueOf(option);
  if (!value.choices.empty()) {
    std::string lines;
    for (const std::string& choice : value.choices) lines += choice + '\n';
    return lines;
  }
  const std::string& type = value.name;
  const std::string name = option.get_name(/*positional=*/true);
  if (option.check_name("--format")) return Lines({"json", "table"});
  if (option.check_name("--platform")) {
    return Lines({"linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386",
                  "linux/ppc64le", "linux/s390x", "linux/riscv64", "all"});
  }
  if (option.check_name("--ignore")) {
    return InList(typed, Lines({"content", "mode", "owner", "mtime", "xattr",
                                "type", "target"}));
  }
  if (option.check_name("--options")) {
    return InList(typed, Lines({"allow_other", "allow_root",
                                "default_permissions", "uid=", "gid=", "suid",
                                "dev", "noexec", "noatime", "sync", "dirsync",
                                "max_read=", "fsname=", "auto_unmount"}));
  }
  if (name == "IMAGE") return Images(typed);
  if (name == "A") return Images(typed) + ":folders\n";
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
std::string ArgumentLines(const CLI::App& app, size_t before,
                          const std::string& typed) {
  const CLI::Option* last = nullptr;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    last = option;
    if (before-- == 0) return Values(*option, typed);
  }
  const bool repeats = last != nullptr && last->get_items_expected_max() > 1;
  return repeats ? Values(*last, typed) : "";
}

}  // namespace

std::string Complete(const CLI::App& app,
                     const std::vector<std::string>& words) {
  const std::string last = words.empty() ? "" : words.back();
  const CLI::App* command = &app;
  const CLI::Option* greedy = nullptr;
  size_t arguments = 0;
  bool unmounts = false;  // its arguments are no images then
  bool options_end = false;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (!options_end && word == "--") {
      options_end = true;
    } else if (!options_end && word.size() > 1 && word[0] == '-') {
      const CLI::Option* option = FindOption(*command, word);
      unmounts = unmounts || (option && option->check_name("--unmount"));
      if (option == nullptr || !TakesValue(*option)) continue;
      if (i + 2 == words.size()) return Values(*option, last);
      ++i;
      if (TakesAllThatFollows(*option)) greedy = option;
    } else if (const CLI::App* next = FindCommand(*command, word)) {
      command = next;
    } else {
      ++arguments;
    }
  }
  if (!options_end && last.starts_with('-')) {
    const size_t equals = last.find('=');
    if (equals == std::string::npos) return OptionLines(*command);
    const CLI::Option* option = FindOption(*command, last.substr(0, equals));
    if (option == nullptr) return "";
    std::string lines;
    std::istringstream values(Values(*option, last.substr(equals + 1)));
    for (std::string value; std::getline(values, value);) {
      // Values that a shell looks for itself it does not find behind a "=".
      if (value[0] != ':') lines += last.substr(0, equals + 1) + value + '\n';
    }
    return lines;
  }
  if (greedy != nullptr) return Values(*greedy, last);
  if (unmounts) return ":mounts\n";
  const auto commands = command->get_subcommands({});
  if (commands.empty()) return ArgumentLines(*command, arguments, last);
  std::string lines;
  for (const CLI::App* each : commands) {
    lines += each->get_name() + '\t' + each->get_description() + '\n';
  }
  return lines;
}

}  // namespace imgmount
