// SPDX-License-Identifier: Apache-2.0
// Regular files, where others may have put something else: a pipe would keep
// its reader waiting for ever, a device do anything.
#ifndef IMGMOUNT_META_BASE_REGULAR_FILE_H_
#define IMGMOUNT_META_BASE_REGULAR_FILE_H_

#include <fcntl.h>

#include <filesystem>
#include <string>

#include "meta/base/file.h"
#include "meta/base/result.h"

namespace imgmount {

// As OpenFile(), without waiting. kCorrupt for anything else than a regular
// file, and with O_NOFOLLOW for a link.
Result<UniqueFd> OpenRegularFile(const std::filesystem::path& path,
                                 int flags = O_RDONLY, mode_t mode = 0);

// As ReadFile(), of a regular file.
Result<std::string> ReadRegularFile(const std::filesystem::path& path,
                                    size_t limit);

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_REGULAR_FILE_H_
