// SPDX-License-Identifier: Apache-2.0
// Inventory: all that a cache holds, who needs it, and what nobody needs.
//
// Taken under a RemovalLock, so that nobody begins to use what is about to be
// removed.
#ifndef IMGMOUNT_META_UPKEEP_INVENTORY_H_
#define IMGMOUNT_META_UPKEEP_INVENTORY_H_

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "meta/image/image.h"
#include "meta/store/cache.h"
#include "meta/store/use_lock.h"

namespace imgmount {

// Something that can be removed by itself, by its path in the cache: a blob,
// a layer's folder of derived files, a tree, its access profiles, a
// partial download (with its map).
using CacheItem = std::string;

// An entry of index.json, with all its platforms that are here.
struct CachedImage {
  Descriptor published;
  // As in index.json. Several may stand for one thing; "" is an entry that
  // another tool made without a name.
  std::vector<std::string> names;
  std::vector<Image> images;
  std::set<CacheItem> items;
  std::time_t last_used = 0;
  bool held = false;
  std::vector<std::string> mount_points;

  std::string ShownName(size_t i = 0) const;  // familiar, else as it stands
};

struct Inventory {
  std::map<CacheItem, uint64_t> items;  // with their bytes
  std::vector<CachedImage> images;      // in the order of index.json
  std::vector<Use> uses;
  // Needed by somebody right now, whether or not an image has it.
  std::set<CacheItem> held;

  uint64_t Bytes() const;
  uint64_t BytesOf(const std::set<CacheItem>& some) const;
  // How many images have it.
  size_t ImageCount(const CacheItem& item) const;
  // The items that neither an image nor anybody needs.
  std::set<CacheItem> Unneeded() const;
};

Result<Inventory> TakeInventory(const Cache& cache, const RemovalLock& lock);
// As it is at the moment: for who removes nothing by it.
Result<Inventory> TakeInventory(const Cache& cache);

// The files or folders that an item is made of, in the order to remove them in.
std::vector<std::filesystem::path> PathsOf(const Cache& cache,
                                           const CacheItem& item);

CacheItem BlobItem(const Digest& digest);
CacheItem LayerItem(const Digest& digest);
CacheItem PartialItem(const Digest& digest);
CacheItem TreeItem(const std::string& key);
CacheItem ProfilesItem(const std::string& key);
// The digest whose item has this path, or nullopt for what is none.
std::optional<Digest> DigestOfItem(const CacheItem& item);

}  // namespace imgmount

#endif  // IMGMOUNT_META_UPKEEP_INVENTORY_H_
