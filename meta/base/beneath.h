// SPDX-License-Identifier: Apache-2.0
// Folders below a folder that others may change: found and removed through
// descriptors, so that no link, whenever it was put there, leads out of it.
#ifndef IMGMOUNT_META_BASE_BENEATH_H_
#define IMGMOUNT_META_BASE_BENEATH_H_

#include <filesystem>

#include "meta/base/file.h"
#include "meta/base/result.h"

namespace imgmount {

// The folder `relative` (no ".."; "" is `root` itself) below the folder `root`,
// which may be a link itself, as a descriptor for openat(2), unlinkat(2) and
// the like (O_PATH). ENOTDIR where a link or a file is in its place.
Result<UniqueFd> OpenFolderBeneath(const std::filesystem::path& root,
                                   const std::filesystem::path& relative);

// Removes the file or folder `relative`, with all that is in it; a link goes
// itself. Nothing when it is not there.
Status RemoveBeneath(const std::filesystem::path& root,
                     const std::filesystem::path& relative);

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_BENEATH_H_
