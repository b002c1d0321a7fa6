// SPDX-License-Identifier: Apache-2.0
// Which packages came, went, or changed their version.
#ifndef IMGMOUNT_META_PACKAGES_PACKAGE_DIFF_H_
#define IMGMOUNT_META_PACKAGES_PACKAGE_DIFF_H_

#include <iosfwd>
#include <string>
#include <vector>

#include "meta/packages/package.h"

namespace imgmount {

struct PackageChange {
  char kind = 'C';  // 'A' came, 'D' went, 'C' changed its version
  std::string manager;
  std::string name;
  std::string architecture;
  std::string version_a;  // empty where it came
  std::string version_b;  // empty where it went
  // Whether the architecture is needed to tell it from another of its name.
  bool is_ambiguous = false;
};

// Both sorted. A package is known by manager, name and architecture; where
// several versions of it are installed (kernels), each comes or goes.
std::vector<PackageChange> DiffPackages(const std::vector<Package>& a,
                                        const std::vector<Package>& b);

// "A curl 7.88", "C libssl3 3.0.11 -> 3.0.13", "D vim:i386 2:9.0"
void WritePackagesText(const std::vector<PackageChange>& changes, bool colour,
                       std::ostream& out);
// A JSON array of {"package", "manager", "architecture", "kind", "a", "b"}.
void WritePackagesJson(const std::vector<PackageChange>& changes,
                       std::ostream& out);

}  // namespace imgmount

#endif  // IMGMOUNT_META_PACKAGES_PACKAGE_DIFF_H_
