#include "fetch/cache/repair.h"

#include <algorithm>
#include <set>

#include "fetch/pull_missing.h"
#include "meta/store/layer_store.h"
#include "meta/store/removal.h"
#include "meta/store/use_lock.h"

namespace imgmount {
namespace {

// The documents and layers that a name stands for, as they were published; a
// tag may have moved since.
Status Refetch(const CachedImage& cached, const std::string& name,
               const std::vector<std::string>& platforms,
               const ImageOptions& options, const ToolIo& io) {
  for (const std::string& platform : platforms) {
    ImageOptions of_platform = options;
    if (!platform.empty()) of_platform.platform = platform;
    IMGMOUNT_TRY(NamedImage named, OpenImage(name, of_platform, io));
    named.selector = cached.published.digest.text();
    named.cache_max_bytes.reset();
    // What is here is intact now, and wants no registry.
    named.pull = PullPolicy::kMissing;
    IMGMOUNT_TRY(const ResolvedImage resolved, FindOrResolve(named));
    IMGMOUNT_CHECK(PullMissing(named, resolved, name, of_platform, io));
  }
  return {};
}

// Platforms that have been pulled; "" for the caller's, where a document that
// would tell is damaged.
std::vector<std::string> PlatformsOf(const CachedImage& cached,
                                     const Inventory& inventory) {
  std::vector<std::string> platforms;
  for (const Image& image : cached.images) {
    const bool pulled = std::any_of(
        inventory.uses.begin(), inventory.uses.end(),
        [&](const Use& use) { return use.manifest == image.manifest_digest; });
    if (pulled) platforms.push_back(image.config.platform.Text());
  }
  if (platforms.empty()) platforms.emplace_back();
  return platforms;
}

// Whether the name tells where the image is from.
bool HasSource(const std::string& name) {
  return !name.empty() && Reference::Parse(name).has_value();
}

Status RepairImage(const CachedImage& cached, const Inventory& inventory,
                   const ImageOptions& options, const ToolIo& io) {
  const auto name =
      std::find_if(cached.names.begin(), cached.names.end(), HasSource);
  if (name == cached.names.end()) {
    return Fail(ErrorCode::kCorrupt,
                cached.ShownName() +
                    ": nothing tells where to fetch it from; remove it "
                    "(imgcache rm) or import it again");
  }
  return Refetch(cached, *name, PlatformsOf(cached, inventory), options, io);
}

Result<Inventory> Look(const Cache& cache) {
  IMGMOUNT_TRY(const RemovalLock lock, RemovalLock::Acquire(cache));
  return TakeInventory(cache, lock);
}

}  // namespace

Status Repair(const Cache& cache, const Verification& verification,
              const ImageOptions& options, const ToolIo& io) {
  IMGMOUNT_TRY(const Inventory inventory, Look(cache));
  std::set<CacheItem> damaged;
  for (const Damage& damage : verification.damage) {
    IMGMOUNT_CHECK(RemoveDamaged(cache, damage.item));
    damaged.insert(damage.item);
  }
  Status last;
  for (const CachedImage& cached : inventory.images) {
    const bool concerned = std::any_of(
        damaged.begin(), damaged.end(),
        [&](const CacheItem& item) { return cached.items.contains(item); });
    if (!concerned) continue;
    Status repaired = RepairImage(cached, inventory, options, io);
    if (repaired) continue;
    if (repaired.error().code() == ErrorCode::kCancelled) return repaired;
    if (!last) Report(io, "imgcache", last.error());
    last = std::move(repaired);
  }
  return last;
}

}  // namespace imgmount
