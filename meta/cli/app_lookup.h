// SPDX-License-Identifier: Apache-2.0
// Options and commands that a tool has declared, by what a user writes.
#ifndef IMGMOUNT_META_CLI_APP_LOOKUP_H_
#define IMGMOUNT_META_CLI_APP_LOOKUP_H_

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace imgmount {

// "--human" or "-H"; null where there is none.
const CLI::Option* FindOption(const CLI::App& app, const std::string& name);
// Not a flag.
bool TakesValue(const CLI::Option& option);

// What a user may give as an option's value.
struct OptionValue {
  std::string name;                  // "FILE"; "" for a flag
  std::vector<std::string> choices;  // of CLI::IsMember
  std::string range;                 // of CLI::Range: "1 to 64"
};
OptionValue ValueOf(const CLI::Option& option);
// "always, missing or never; default: missing"; "" where there is nothing to
// tell.
std::string ValueText(const OptionValue& value,
                      const std::string& default_value);

// A direct subcommand; null where there is none.
const CLI::App* FindCommand(const CLI::App& app, const std::string& name);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_APP_LOOKUP_H_
