// SPDX-License-Identifier: Apache-2.0
#include "meta/base/tool_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

using ::testing::ElementsAre;

TEST(TakeArguments, WipesCredentialsFromTheProcessList) {
  std::vector<std::string> words = {"imgpull",   "--creds",
                                    "me:secret", "--creds=you:secret",
                                    "--credsx",  "nginx"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  EXPECT_THAT(TakeArguments(static_cast<int>(argv.size()), argv.data()),
              ElementsAre("--creds", "me:secret", "--creds=you:secret",
                          "--credsx", "nginx"));
  EXPECT_THAT(words, ElementsAre("imgpull", "--creds", "*********",
                                 "--creds=**********", "--credsx", "nginx"));
}

}  // namespace
}  // namespace imgmount
