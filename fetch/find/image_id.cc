// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/image_id.h"

#include <string_view>

#include "meta/store/cache.h"
#include "meta/upkeep/inventory.h"
#include "meta/upkeep/removal.h"

namespace imgmount {

Result<std::optional<ImageOfId>> FindById(
    const std::string& text, const std::filesystem::path& cache_folder) {
  if (DigitsOfId(text).find_first_not_of("0123456789abcdef") !=
          std::string_view::npos ||
      !Cache::IsThere(cache_folder)) {
    return std::optional<ImageOfId>();
  }
  IMGMOUNT_TRY(const Cache cache, Cache::Open(cache_folder));
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache));
  const auto found = FindImage(inventory, text);
  if (!found && found.error().code() != ErrorCode::kNotFound) {
    return Failure(found.error());
  }
  if (!found || found->name) return std::optional<ImageOfId>();
  const CachedImage& image = *found->image;
  if (image.names.front().empty()) return std::optional<ImageOfId>();
  ImageOfId result{image.names.front(), {}};
  for (const Image& each : image.images) {
    if (HasId(each, text)) result.platform = each.config.platform;
  }
  return std::optional(std::move(result));
}

}  // namespace imgmount
