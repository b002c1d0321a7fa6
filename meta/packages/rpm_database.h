// SPDX-License-Identifier: Apache-2.0
// The SQLite database of rpm (rpmdb.sqlite), rpm's default since 4.16.
#ifndef IMGMOUNT_META_PACKAGES_RPM_DATABASE_H_
#define IMGMOUNT_META_PACKAGES_RPM_DATABASE_H_

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/packages/package.h"

namespace imgmount {

// A package out of a header as the database stores it: rpm's binary format
// without the magic. kCorrupt for one that is damaged; nullopt for the public
// keys that rpm keeps as if they were packages.
Result<std::optional<Package>> ParseRpmHeader(std::string_view blob);

// All packages of a database on disk. Its write-ahead log, if there is one,
// must lie beside it.
Result<std::vector<Package>> ReadRpmDatabase(const std::filesystem::path& path);

}  // namespace imgmount

#endif  // IMGMOUNT_META_PACKAGES_RPM_DATABASE_H_
