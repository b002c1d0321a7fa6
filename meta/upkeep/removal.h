// SPDX-License-Identifier: Apache-2.0
// Removing images from a cache, and what nobody needs any more.
//
// Files that can be made anew go first: on a full disk that makes room to write
// index.json. Then names, then blobs: whoever is killed in between leaves files
// that the next prune finds. What a UseLock holds (a mount, a pull) stays.
#ifndef IMGMOUNT_META_UPKEEP_REMOVAL_H_
#define IMGMOUNT_META_UPKEEP_REMOVAL_H_

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/store/cache.h"
#include "meta/upkeep/inventory.h"

namespace imgmount {

// Names and files that were removed, or would be.
struct Removal {
  std::vector<std::string> names = {};  // as shown
  std::vector<CacheItem> items = {};
  uint64_t bytes = 0;
  // By Prune() and KeepBelow(): the bytes of all that stays, and the images of
  // it that no rule could take, as they are in use.
  uint64_t left_bytes = 0;
  std::vector<std::string> in_use = {};
};

// An ID without the "sha256:" that may stand before it.
std::string_view DigitsOfId(std::string_view text);
// Whether manifest or config have an ID that begins so.
bool HasId(const Image& image, std::string_view text);

struct FoundImage {
  const CachedImage* image = nullptr;
  std::optional<size_t> name = {};  // which of its names; nullopt: by its ID
};
// `text` is a name as it stands or is shown, or the beginning of an ID or
// digest, of 4 digits at least. kNotFound suggests what may be meant.
Result<FoundImage> FindImage(const Inventory& inventory,
                             const std::string& text);

// Takes one name away; and the image with its files, if that was its last. With
// an ID, all names go. kIo for an image in use names where it is mounted.
Result<Removal> RemoveImage(const Cache& cache, const std::string& text);

struct PruneRules {
  bool all_images = false;
  std::optional<std::time_t> used_before = {};  // images not used since
  std::optional<uint64_t> max_bytes = {};  // least recently used go until then
  std::optional<Digest> keep = {};         // a published digest that stays
  bool dry_run = false;
};

// Removes what nobody needs, and images by the rules.
Result<Removal> Prune(const Cache& cache, const PruneRules& rules);

// After something came in: nothing while the cache has at most `max_bytes`,
// else Prune().
Result<Removal> KeepBelow(const Cache& cache, uint64_t max_bytes,
                          const Digest& keep);

}  // namespace imgmount

#endif  // IMGMOUNT_META_UPKEEP_REMOVAL_H_
