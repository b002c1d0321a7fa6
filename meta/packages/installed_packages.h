// SPDX-License-Identifier: Apache-2.0
// Which packages are installed in a tree, by the databases of dpkg, apk and
// rpm that lie in it.
#ifndef IMGMOUNT_META_PACKAGES_INSTALLED_PACKAGES_H_
#define IMGMOUNT_META_PACKAGES_INSTALLED_PACKAGES_H_

#include <vector>

#include "meta/base/result.h"
#include "meta/diff/diff_tree.h"
#include "meta/packages/package.h"

namespace imgmount {

// Sorted. A tree without any database has no packages. kUnsupported for rpm's
// older databases (Berkeley DB, ndb).
Result<std::vector<Package>> InstalledPackages(DiffTree& tree);

}  // namespace imgmount

#endif  // IMGMOUNT_META_PACKAGES_INSTALLED_PACKAGES_H_
