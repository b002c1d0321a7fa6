// SPDX-License-Identifier: Apache-2.0
// An installed package, of whatever package manager.
#ifndef IMGMOUNT_META_PACKAGES_PACKAGE_H_
#define IMGMOUNT_META_PACKAGES_PACKAGE_H_

#include <compare>
#include <string>

namespace imgmount {

struct Package {
  std::string manager;  // "dpkg", "apk", "rpm"
  std::string name;
  std::string architecture;
  std::string version;  // as the manager prints it: "1:2.3-4"
  auto operator<=>(const Package&) const = default;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_PACKAGES_PACKAGE_H_
