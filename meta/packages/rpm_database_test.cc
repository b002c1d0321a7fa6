// SPDX-License-Identifier: Apache-2.0
#include "meta/packages/rpm_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "meta/packages/rpm_sample.h"
#include "tests/support/test_image.h"

namespace imgmount {
namespace {

using testing::RpmHeader;
using testing::TemporaryFolder;
using ::testing::UnorderedElementsAre;

TEST(RpmHeader, NamesThePackage) {
  const auto package =
      ParseRpmHeader(RpmHeader("bash", "5.2.15", "3.fc38", "x86_64"));
  ASSERT_TRUE(package);
  EXPECT_EQ(**package, (Package{"rpm", "bash", "x86_64", "5.2.15-3.fc38"}));
}

TEST(RpmHeader, HasTheEpochInFront) {
  const auto package =
      ParseRpmHeader(RpmHeader("vim", "9.0", "1", "x86_64", 2));
  ASSERT_TRUE(package);
  EXPECT_EQ((*package)->version, "2:9.0-1");
}

TEST(RpmHeader, OfAKeyIsNoPackage) {
  const auto package =
      ParseRpmHeader(RpmHeader("gpg-pubkey", "eb10b464", "6202d9c6", ""));
  ASSERT_TRUE(package);
  EXPECT_FALSE(*package);
}

TEST(RpmHeader, CutOffAnywhereIsAnError) {
  const std::string header = RpmHeader("bash", "5.2.15", "3", "x86_64", 1);
  for (size_t size = 0; size < header.size(); ++size) {
    const auto package = ParseRpmHeader(header.substr(0, size));
    ASSERT_FALSE(package) << size;
    EXPECT_EQ(package.error().code(), ErrorCode::kCorrupt);
  }
}

TEST(RpmHeader, ThatPointsOutsideIsAnError) {
  std::string header = RpmHeader("bash", "5", "3", "x86_64");
  header.replace(8 + 8, 4, testing::BigEndian(0xffffffff));  // name's offset
  EXPECT_FALSE(ParseRpmHeader(header));
  header.replace(0, 4, testing::BigEndian(0xffffffff));  // how many entries
  EXPECT_FALSE(ParseRpmHeader(header));
}

TEST(RpmDatabase, ListsAllPackages) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "rpmdb.sqlite";
  testing::WriteRpmDatabase(path, {RpmHeader("a", "1", "1", "noarch"),
                                   RpmHeader("gpg-pubkey", "1", "1", ""),
                                   RpmHeader("b", "2", "1", "x86_64")});
  const auto packages = ReadRpmDatabase(path);
  ASSERT_TRUE(packages) << packages.error().message();
  EXPECT_THAT(*packages,
              UnorderedElementsAre(Package{"rpm", "a", "noarch", "1-1"},
                                   Package{"rpm", "b", "x86_64", "2-1"}));
}

TEST(RpmDatabase, ThatIsNoneIsAnError) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "rpmdb.sqlite";
  std::ofstream(path) << std::string(5000, 'x');
  const auto packages = ReadRpmDatabase(path);
  ASSERT_FALSE(packages);
  EXPECT_EQ(packages.error().code(), ErrorCode::kCorrupt);
}

// In place of a table of stored values: code of the image's, which could take
// for ever or all memory.
TEST(RpmDatabase, ThatComputesIsAnError) {
  for (const char* sql :
       {"CREATE VIEW Packages AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL "
        "SELECT x + 1 FROM n) SELECT x AS blob FROM n",
        "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob GENERATED "
        "ALWAYS AS (zeroblob(900000000))); INSERT INTO Packages(hnum) "
        "VALUES (1)",
        "CREATE VIRTUAL TABLE Packages USING fts5(blob)"}) {
    const TemporaryFolder folder;
    const auto path = folder.path() / "rpmdb.sqlite";
    sqlite3* database = nullptr;
    ASSERT_EQ(::sqlite3_open(path.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(::sqlite3_exec(database, sql, nullptr, nullptr, nullptr),
              SQLITE_OK);
    ::sqlite3_close(database);
    const auto packages = ReadRpmDatabase(path);
    ASSERT_FALSE(packages) << sql;
    EXPECT_EQ(packages.error().code(), ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace imgmount
