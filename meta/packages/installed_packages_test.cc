// SPDX-License-Identifier: Apache-2.0
#include "meta/packages/installed_packages.h"

#include <gtest/gtest.h>

#include <fstream>

#include "meta/diff/fake_tree.h"
#include "meta/packages/rpm_sample.h"
#include "tests/support/matchers.h"
#include "tests/support/test_image.h"

namespace imgmount {
namespace {

using testing::FakeTree;
using testing::RpmHeader;
using testing::TemporaryFolder;

std::vector<Package> In(FakeTree tree) {
  auto packages = InstalledPackages(tree);
  EXPECT_TRUE(packages) << packages.error().message();
  return packages ? *packages : std::vector<Package>();
}

FakeTree WithDirectories(const std::string& path) {
  FakeTree tree;
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    tree.Dir(path.substr(0, slash));
  }
  return tree.Dir(path);
}

TEST(InstalledPackages, OfATreeWithoutDatabasesAreNone) {
  EXPECT_THAT(In(FakeTree()), IsEmpty());
}

TEST(InstalledPackages, AreThoseOfDpkg) {
  FakeTree tree = WithDirectories("var/lib/dpkg/status.d");
  tree.File("var/lib/dpkg/status", "Package: b\nVersion: 1\n");
  tree.File("var/lib/dpkg/status.d/a", "Package: a\nVersion: 2\n");
  tree.File("var/lib/dpkg/status.d/a.md5sums", "Package: no\nVersion: 2\n");
  EXPECT_THAT(In(tree), ElementsAre(Package{"dpkg", "a", "", "2"},
                                    Package{"dpkg", "b", "", "1"}));
}

TEST(InstalledPackages, AreThoseOfApkAlsoBehindALink) {
  FakeTree tree = WithDirectories("usr/lib/apk/db");
  tree.Symlink("lib", "usr/lib");
  tree.File("usr/lib/apk/db/installed", "P:musl\nV:1\nA:x86_64\n\n");
  EXPECT_THAT(In(tree), ElementsAre(Package{"apk", "musl", "x86_64", "1"}));
}

TEST(InstalledPackages, AreThoseOfRpm) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "rpmdb.sqlite";
  testing::WriteRpmDatabase(path, {RpmHeader("bash", "5", "1", "x86_64")});
  std::ifstream file(path, std::ios::binary);
  FakeTree tree = WithDirectories("usr/lib/sysimage/rpm");
  tree.File("usr/lib/sysimage/rpm/rpmdb.sqlite",
            {std::istreambuf_iterator<char>(file), {}});
  EXPECT_THAT(In(tree), ElementsAre(Package{"rpm", "bash", "x86_64", "5-1"}));
}

TEST(InstalledPackages, OfOldRpmDatabasesAreRefused) {
  FakeTree tree = WithDirectories("var/lib/rpm");
  tree.File("var/lib/rpm/Packages", "bdb");
  const auto packages = InstalledPackages(tree);
  ASSERT_FALSE(packages);
  EXPECT_EQ(packages.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(packages.error().message(), HasSubstr("/var/lib/rpm/Packages"));
}

}  // namespace
}  // namespace imgmount
