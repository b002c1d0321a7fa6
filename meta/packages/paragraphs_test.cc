// SPDX-License-Identifier: Apache-2.0
#include "meta/packages/paragraphs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(DpkgStatus, ListsWhatIsInstalled) {
  EXPECT_THAT(ParseDpkgStatus("Package: bash\n"
                              "Status: install ok installed\n"
                              "Architecture: amd64\n"
                              "Version: 5.2.15-2+b2\n"
                              "Description: GNU Bourne Again SHell\n"
                              " Version: this is text, no field\n"
                              "\n"
                              "Package: gone\n"
                              "Status: deinstall ok config-files\n"
                              "Version: 1\n"
                              "\n"
                              "Package: never\n"
                              "Status: unknown ok not-installed\n"
                              "\n"
                              "Package: half\n"
                              "Status: install reinstreq half-configured\n"
                              "Architecture: all\n"
                              "Version: 2:1~rc1"),
              ElementsAre(Package{"dpkg", "bash", "amd64", "5.2.15-2+b2"},
                          Package{"dpkg", "half", "all", "2:1~rc1"}));
}

TEST(DpkgStatus, TakesDistrolessFilesThatHaveNoStatus) {
  EXPECT_THAT(ParseDpkgStatus("Package: base-files\nVersion: 12.4\n"
                              "Architecture: amd64\n"),
              ElementsAre(Package{"dpkg", "base-files", "amd64", "12.4"}));
}

TEST(DpkgStatus, OfNothingOrNonsenseIsEmpty) {
  EXPECT_THAT(ParseDpkgStatus(""), IsEmpty());
  EXPECT_THAT(ParseDpkgStatus("\n\n\n: \n\nno colon\n"), IsEmpty());
}

TEST(ApkInstalled, ListsAllPackages) {
  EXPECT_THAT(ParseApkInstalled("C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\n"
                                "F:lib\nR:libc.musl-x86_64.so.1\n\n"
                                "P:busybox\nV:1.36.1-r5\nA:x86_64\n\n"),
              ElementsAre(Package{"apk", "musl", "x86_64", "1.2.4-r2"},
                          Package{"apk", "busybox", "x86_64", "1.36.1-r5"}));
}

}  // namespace
}  // namespace imgmount
