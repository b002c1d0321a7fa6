// SPDX-License-Identifier: Apache-2.0
#include "fetch/cache/repair.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "fetch/find/open_image.h"
#include "fetch/find/pull_image.h"
#include "fetch/find/resolve_image.h"
#include "meta/store/layer_store.h"
#include "meta/store/use_lock.h"
#include "meta/upkeep/removal.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

// The documents and layers that a name stands for, as they were published; a
// tag may have moved since.
Status Refetch(const CachedImage& cached, const std::string& name,
               const std::vector<std::optional<Platform>>& platforms,
               const FetchConfig& config, const ProgressFactory& progress) {
  for (const std::optional<Platform>& platform : platforms) {
    FetchConfig of_platform = config;
    if (platform) of_platform.platform = platform;
    IMGMOUNT_TRY(NamedImage named, OpenImage(name, of_platform));
    named.selector = cached.published.digest.text();
    named.cache_max_bytes.reset();
    // Whatever is here is intact now, and is not fetched again.
    named.pull = PullPolicy::kMissing;
    IMGMOUNT_TRY(const ResolvedImage resolved, FindOrResolve(named));
    IMGMOUNT_CHECK(PullMissing(named, resolved, name, *progress()));
  }
  return {};
}

// Platforms that have been pulled; nullopt for the caller's, where a document
// that would name one is damaged.
std::vector<std::optional<Platform>> PlatformsOf(const CachedImage& cached,
                                                 const Inventory& inventory) {
  std::vector<std::optional<Platform>> platforms;
  for (const Image& image : cached.images) {
    const bool pulled = std::any_of(
        inventory.uses.begin(), inventory.uses.end(),
        [&](const Use& use) { return use.manifest == image.manifest_digest; });
    if (pulled) platforms.emplace_back(image.config.platform);
  }
  if (platforms.empty()) platforms.emplace_back();
  return platforms;
}

// Moves damaged blobs out of the way, so that others may come. At its end those
// for which none came are put back: most of a damaged layer can still be read.
class SetAside {
 public:
  explicit SetAside(const Cache& cache) : cache_(cache) {}
  ~SetAside() {
    for (const auto& [path, aside] : moved_) {
      std::error_code error;
      fs::create_hard_link(aside, path, error);  // not over another
      std::error_code ignored;
      if (error && !fs::exists(path, ignored)) {
        fs::rename(aside, path, ignored);  // no hard links here
      } else {
        fs::remove(aside, ignored);
      }
    }
  }
  SetAside(const SetAside&) = delete;
  SetAside& operator=(const SetAside&) = delete;

  Status Add(const CacheItem& blob) {
    const fs::path path = cache_.folder() / blob;
    // A name that a prune takes for what is being written, for a day.
    const fs::path aside = path.string() + ".tmp-damaged";
    std::error_code error;
    fs::rename(path, aside, error);
    if (!error) {
      moved_.emplace_back(path, aside);
      fs::last_write_time(aside, fs::file_time_type::clock::now(), error);
      return {};
    }
    // A missing blob counts as damaged, too.
    if (error == std::errc::no_such_file_or_directory) return {};
    return FailErrno(path.string(), error.value());
  }

 private:
  const Cache& cache_;
  std::vector<std::pair<fs::path, fs::path>> moved_;
};

// A layer's derived files, which may seem damaged because its blob is, and are
// made anew with it.
bool IsDerivedFromOneOf(const CacheItem& item,
                        const std::set<CacheItem>& damaged) {
  const auto digest = DigestOfItem(item);
  return digest && item == LayerItem(*digest) &&
         damaged.contains(BlobItem(*digest));
}

// Whether the name tells where the image is from.
bool HasSource(const std::string& name) {
  return !name.empty() && Reference::Parse(name).has_value();
}

Status RepairImage(const CachedImage& cached, const Inventory& inventory,
                   const FetchConfig& config, const ProgressFactory& progress) {
  const auto name =
      std::find_if(cached.names.begin(), cached.names.end(), HasSource);
  if (name == cached.names.end()) {
    return Fail(ErrorCode::kCorrupt,
                cached.ShownName() +
                    ": nothing tells where to fetch it from; remove it "
                    "(imgcache rm) or import it again");
  }
  return Refetch(cached, *name, PlatformsOf(cached, inventory), config,
                 progress);
}

}  // namespace

Status Repair(const Cache& cache, const Verification& verification,
              const FetchConfig& config, const ProgressFactory& progress,
              const ToolIo& io) {
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache));
  std::set<CacheItem> damaged;
  for (const Damage& damage : verification.damage) damaged.insert(damage.item);
  SetAside aside(cache);
  for (const CacheItem& item : damaged) {
    const bool needed =
        inventory.ImageCount(item) > 0 || inventory.held.contains(item);
    if (needed && item.starts_with("blobs/")) {
      IMGMOUNT_CHECK(aside.Add(item));
    } else if (!IsDerivedFromOneOf(item, damaged)) {
      IMGMOUNT_CHECK(RemoveDamaged(cache, item));
    }
  }
  const auto repair = [&](const CachedImage& cached) -> Status {
    const bool concerned = std::any_of(
        damaged.begin(), damaged.end(),
        [&](const CacheItem& item) { return cached.items.contains(item); });
    if (!concerned) return {};
    return RepairImage(cached, inventory, config, progress);
  };
  return ForEach(inventory.images, repair, io, "imgcache");
}

}  // namespace imgmount
