// SPDX-License-Identifier: Apache-2.0
#include "fs/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

TEST(FileLog, WritesALineOnceInARowFromAllCopies) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "log";
  const Log log = FileLog(*OpenFile(path, O_WRONLY | O_CREAT | O_APPEND, 0600));
  const Log copy = log;
  log("one");
  copy("one");
  log("two");
  log("one");
  EXPECT_THAT(*ReadFile(path, 1000),
              ::testing::MatchesRegex("[^\n]* one\n[^\n]* two\n[^\n]* one\n"));
}

TEST(FileLog, LogsOfTheirOwnDoNotKnowEachOther) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path() / "log";
  for (int i = 0; i < 2; ++i) {
    FileLog (*OpenFile(path, O_WRONLY | O_CREAT | O_APPEND, 0600))("same");
  }
  EXPECT_THAT(*ReadFile(path, 1000),
              ::testing::MatchesRegex("[^\n]* same\n[^\n]* same\n"));
}

TEST(LogTo, SaysNothingToAnEmptyLog) { LogTo({}, "line"); }

}  // namespace
}  // namespace imgmount
