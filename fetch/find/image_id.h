// SPDX-License-Identifier: Apache-2.0
// Images of the cache by their ID, as `imgcache ls` shows it.
#ifndef IMGMOUNT_FETCH_FIND_IMAGE_ID_H_
#define IMGMOUNT_FETCH_FIND_IMAGE_ID_H_

#include <filesystem>
#include <optional>
#include <string>

#include "meta/base/result.h"
#include "meta/image/platform.h"

namespace imgmount {

struct ImageOfId {
  std::string name;  // its first one, as in index.json
  // Of the image of an index that has the ID; nullopt: the index has it.
  std::optional<Platform> platform;
};

// What `text` names in the cache, if it is an ID or digest, or the beginning of
// one, and not a name; nullopt otherwise. kUsage names the images where there
// are several.
Result<std::optional<ImageOfId>> FindById(
    const std::string& text, const std::filesystem::path& cache_folder);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_IMAGE_ID_H_
