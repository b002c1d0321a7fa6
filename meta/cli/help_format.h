// SPDX-License-Identifier: Apache-2.0
// HelpFormat: --help in 80 columns, in users' words.
#ifndef IMGMOUNT_META_CLI_HELP_FORMAT_H_
#define IMGMOUNT_META_CLI_HELP_FORMAT_H_

#include <CLI/CLI.hpp>
#include <string>

namespace imgmount {

class HelpFormat final : public CLI::Formatter {
 public:
  // `usage`: the lines of "Usage: …", where one does not say it all.
  explicit HelpFormat(std::string usage = "");

  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_option(const CLI::Option* option,
                          bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_description(const CLI::App* app) const override;

 private:
  const std::string usage_;
};

// Of all commands that the app has, unless they have such a format already.
void UseHelpFormat(CLI::App& app);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_HELP_FORMAT_H_
