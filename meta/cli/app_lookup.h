// SPDX-License-Identifier: Apache-2.0
// Options and commands that a tool has declared, by what a user writes.
#ifndef IMGMOUNT_META_CLI_APP_LOOKUP_H_
#define IMGMOUNT_META_CLI_APP_LOOKUP_H_

#include <string>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace imgmount {

// "--human" or "-H"; null where there is none.
const CLI::Option* FindOption(const CLI::App& app, const std::string& name);
// Not a flag.
bool TakesValue(const CLI::Option& option);
// A direct subcommand; null where there is none.
const CLI::App* FindCommand(const CLI::App& app, const std::string& name);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_APP_LOOKUP_H_
