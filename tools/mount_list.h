// SPDX-License-Identifier: Apache-2.0
// What imgmount -l prints: the images that are mounted, and by whom.
#ifndef IMGMOUNT_TOOLS_MOUNT_LIST_H_
#define IMGMOUNT_TOOLS_MOUNT_LIST_H_

#include <filesystem>
#include <string>

#include "meta/base/result.h"

namespace imgmount {

enum class MountListStyle { kTable, kJson, kPoints };

// All mounts of images that this process sees. What shows what, since when and
// by which process is told of those from the cache in `cache_folder`, if there
// is one. REQUIRES: no other thread in this process.
Result<std::string> MountListText(const std::filesystem::path& cache_folder,
                                  MountListStyle style);

}  // namespace imgmount

#endif  // IMGMOUNT_TOOLS_MOUNT_LIST_H_
