// SPDX-License-Identifier: Apache-2.0
// The text databases of dpkg and apk: paragraphs of "Key: value" lines.
#ifndef IMGMOUNT_META_PACKAGES_PARAGRAPHS_H_
#define IMGMOUNT_META_PACKAGES_PARAGRAPHS_H_

#include <string_view>
#include <vector>

#include "meta/packages/package.h"

namespace imgmount {

// /var/lib/dpkg/status, and the files of status.d that distroless images have.
// A package counts when files of it are installed: not when it is removed and
// only its configuration is left.
std::vector<Package> ParseDpkgStatus(std::string_view text);

// /lib/apk/db/installed.
std::vector<Package> ParseApkInstalled(std::string_view text);

}  // namespace imgmount

#endif  // IMGMOUNT_META_PACKAGES_PARAGRAPHS_H_
