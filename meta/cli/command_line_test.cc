// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "tests/support/test_io.h"

namespace imgmount {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class CommandLineTest : public ::testing::Test {
 protected:
  CommandLineTest() {
    app_.add_option("--format", format_);
    app_.add_option("IMAGE", image_);
    CLI::App* prune = commands_.add_subcommand("prune", "Remove a lot");
    prune->add_option("--max-size", size_);
    commands_.require_subcommand(1);
  }
  std::optional<int> Parse(std::vector<std::string> args) {
    return ParseCommandLine(app_, std::move(args), io_.io);
  }
  std::optional<int> ParseCommand(std::vector<std::string> args) {
    return ParseCommandLine(commands_, std::move(args), io_.io);
  }
  std::string err() const { return io_.err.str(); }

  testing::TestIo io_;
  CLI::App app_{"Does things.", "tool"};
  CLI::App commands_{"Does things.", "many"};
  std::string format_;
  std::string image_;
  std::string size_;
};

TEST_F(CommandLineTest, LetsAToolGoOn) {
  EXPECT_EQ(Parse({"--format", "json", "nginx"}), std::nullopt);
  EXPECT_EQ(format_, "json");
  EXPECT_EQ(image_, "nginx");
  EXPECT_EQ(err(), "");
}

TEST_F(CommandLineTest, TakesAFlagsValueBehindItsShortName) {
  bool human = true;
  app_.add_flag("-H,--human", human);
  EXPECT_EQ(Parse({"-H=false", "nginx"}), std::nullopt);
  EXPECT_FALSE(human);
  EXPECT_EQ(Parse({"-H", "nginx"}), std::nullopt);
  EXPECT_TRUE(human);
  bool dry_run = true;
  commands_.get_subcommand("prune")->add_flag("-n,--dry-run", dry_run);
  EXPECT_EQ(ParseCommand({"prune", "-n=false"}), std::nullopt);
  EXPECT_FALSE(dry_run);
  EXPECT_EQ(Parse({"-n=false"}), kUsageStatus);
  EXPECT_EQ(err(), "tool: unknown option -n; see tool --help\n");
}

TEST_F(CommandLineTest, AnswersHelpAndVersion) {
  EXPECT_EQ(Parse({"--help"}), 0);
  EXPECT_THAT(io_.out.str(), HasSubstr("--format"));
  io_.out.str("");
  EXPECT_EQ(Parse({"--version"}), 0);
  EXPECT_EQ(io_.out.str(), "tool " IMGMOUNT_VERSION "\n");
}

TEST_F(CommandLineTest, SuggestsAnOption) {
  EXPECT_EQ(Parse({"--fromat=json"}), kUsageStatus);
  EXPECT_EQ(err(), "tool: unknown option --fromat; did you mean --format?\n");
}

TEST_F(CommandLineTest, PointsToTheHelpWhereNothingIsClose) {
  EXPECT_EQ(Parse({"--zzz"}), kUsageStatus);
  EXPECT_EQ(err(), "tool: unknown option --zzz; see tool --help\n");
}

TEST_F(CommandLineTest, NamesWhatIsTooMuch) {
  EXPECT_EQ(Parse({"nginx", "/mnt"}), kUsageStatus);
  EXPECT_EQ(err(), "tool: unexpected argument /mnt; see tool --help\n");
}

TEST_F(CommandLineTest, SuggestsACommandAndItsOptions) {
  EXPECT_EQ(ParseCommand({"prnue"}), kUsageStatus);
  EXPECT_THAT(err(), StartsWith("many: unknown command prnue; did you mean "
                                "prune?"));
  io_.err.str("");
  EXPECT_EQ(ParseCommand({"prune", "--max-sise", "1"}), kUsageStatus);
  EXPECT_THAT(err(), StartsWith("many: unknown option --max-sise; did you mean "
                                "--max-size?"));
}

TEST_F(CommandLineTest, HelpOfACommandIsTheCommands) {
  EXPECT_EQ(ParseCommand({"prune", "--help"}), 0);
  EXPECT_THAT(io_.out.str(), HasSubstr("many prune [OPTIONS]"));
  EXPECT_THAT(io_.out.str(), HasSubstr("--max-size"));
}

TEST_F(CommandLineTest, EndsAsTheToolWantsIt) {
  EXPECT_EQ(ParseCommandLine(app_, {"--nothing"}, io_.io, 2), 2);
}

}  // namespace
}  // namespace imgmount
