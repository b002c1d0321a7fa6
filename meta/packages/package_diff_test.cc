// SPDX-License-Identifier: Apache-2.0
#include "meta/packages/package_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace imgmount {
namespace {

Package Dpkg(std::string name, std::string version,
             std::string architecture = "amd64") {
  return {"dpkg", std::move(name), std::move(architecture), std::move(version)};
}

std::string Text(const std::vector<Package>& a, const std::vector<Package>& b) {
  std::ostringstream out;
  WritePackagesText(DiffPackages(a, b), false, out);
  return out.str();
}

TEST(PackageDiff, TellsWhatCameWentAndChanged) {
  EXPECT_EQ(Text({Dpkg("gone", "1"), Dpkg("new", "1"), Dpkg("same", "1")},
                 {Dpkg("came", "2:3"), Dpkg("new", "2"), Dpkg("same", "1")}),
            "A came 2:3\nD gone 1\nC new 1 -> 2\n");
}

TEST(PackageDiff, NamesTheArchitectureWhereItMatters) {
  EXPECT_EQ(Text({Dpkg("libc6", "1"), Dpkg("libc6", "1", "i386")},
                 {Dpkg("libc6", "2")}),
            "C libc6:amd64 1 -> 2\nD libc6:i386 1\n");
}

TEST(PackageDiff, TakesSeveralVersionsOfOnePackage) {
  EXPECT_EQ(Text({Dpkg("kernel", "1"), Dpkg("kernel", "2")},
                 {Dpkg("kernel", "2"), Dpkg("kernel", "3")}),
            "D kernel 1\nA kernel 3\n");
}

TEST(PackageDiff, IsJsonToo) {
  std::ostringstream out;
  WritePackagesJson(DiffPackages({Dpkg("a", "1")}, {Dpkg("a", "2")}), out);
  EXPECT_EQ(nlohmann::json::parse(out.str()), nlohmann::json::parse(R"([
    {"package": "a", "manager": "dpkg", "architecture": "amd64", "kind": "C",
     "a": "1", "b": "2"}])"));
}

}  // namespace
}  // namespace imgmount
