// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

namespace imgmount {
namespace {

using ::testing::HasSubstr;

class CompletionTest : public ::testing::Test {
 protected:
  CompletionTest() {
    tool_.add_option("IMAGE", image_);
    tool_.add_option("DIR", folder_);
    tool_.add_flag("-u,--unmount", flag_, "Unmount");
    tool_.add_option("--log", text_, "Log there")->type_name("FILE");
    tool_.add_option("-o,--options", text_, "Options");
    tool_.add_option("--platform", text_, "Platform");
    tool_.add_option("--raw", text_, "Raw")
        ->check(CLI::IsMember({"manifest", "config"}));
    tool_.add_flag("-q,--quiet", flag_, "Say nothing");
    auto* remove = commands_.add_subcommand("rm", "Remove");
    remove->add_option("IMAGE", images_);
  }
  std::string Of(const std::vector<std::string>& words) const {
    return Complete(tool_, words);
  }

  CLI::App tool_{"Does things.", "tool"};
  CLI::App commands_{"Does many things.", "many"};
  std::string image_;
  std::string folder_;
  std::string text_;
  bool flag_ = false;
  std::vector<std::string> images_;
};

TEST_F(CompletionTest, OffersArgumentsByTheirPlace) {
  EXPECT_EQ(Of({""}), ":images\n");
  EXPECT_EQ(Of({"-q", "ngi"}), ":images\n");
  EXPECT_EQ(Of({"oci"}), ":images\noci:\noci-archive:\n");
  EXPECT_EQ(Of({"nginx", ""}), ":folders\n");
  EXPECT_EQ(Of({"--log", "x", "--", "nginx", ""}), ":folders\n");
  EXPECT_EQ(Of({"nginx", "/mnt", ""}), "");
}

TEST_F(CompletionTest, OffersOptionsWithWhatTheyDo) {
  const std::string options = Of({"--"});
  EXPECT_NE(options.find("--quiet\tSay nothing\n"), std::string::npos);
  EXPECT_NE(options.find("--help\t"), std::string::npos);
}

TEST_F(CompletionTest, OffersTheValuesOfAnOption) {
  EXPECT_EQ(Of({"--unmount", ""}), ":mounts\n");
  EXPECT_EQ(Of({"-u", "--quiet", ""}), ":mounts\n");
  EXPECT_EQ(Of({"-u", ""}), ":mounts\n");
  EXPECT_EQ(Of({"-u", "/mnt/a", ""}), ":mounts\n");
  EXPECT_EQ(Of({"--log", ""}), ":files\n");
  EXPECT_THAT(Of({"--platform", ""}), HasSubstr("linux/arm64\n"));
  EXPECT_THAT(Of({"-o", "noexec,"}), HasSubstr("\nnoexec,allow_root\n"));
  EXPECT_THAT(Of({"--options=dev,"}), HasSubstr("--options=dev,suid\n"));
  EXPECT_EQ(Of({"--raw", ""}), "manifest\nconfig\n");
  EXPECT_EQ(Of({"--raw=m"}), "--raw=manifest\n--raw=config\n");
  EXPECT_EQ(Of({"--nothing=m"}), "");
}

TEST_F(CompletionTest, OffersCommandsAndThenTheirArguments) {
  EXPECT_EQ(Complete(commands_, {""}), "rm\tRemove\n");
  EXPECT_EQ(Complete(commands_, {"rm", "a", "b", ""}), ":images\n");
}

}  // namespace
}  // namespace imgmount
