// SPDX-License-Identifier: Apache-2.0
// Names of tar entries: bytes from anywhere, made into paths inside the root.
#ifndef IMGMOUNT_META_TAR_ENTRY_PATH_H_
#define IMGMOUNT_META_TAR_ENTRY_PATH_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

inline constexpr size_t kMaxNameBytes = 255;  // NAME_MAX: FUSE shows no longer
inline constexpr size_t kMaxPathBytes = 64 << 10;

// "./a//b/" -> "a/b", "/a/../b" -> "b", "." -> "". As Docker cleans names: an
// absolute name starts at the root and cannot leave it. kCorrupt for a
// relative one that climbs out of the root; kUnsupported for one that is too
// long to be shown.
Result<std::string> NormalizeEntryPath(std::string_view raw);

// Whether `path` is what NormalizeEntryPath can return.
bool IsNormalizedEntryPath(std::string_view path);

}  // namespace imgmount

#endif  // IMGMOUNT_META_TAR_ENTRY_PATH_H_
