// SPDX-License-Identifier: Apache-2.0
#include "meta/upkeep/removal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include "meta/base/beneath.h"
#include "meta/image/reference.h"
#include "meta/store/image_names.h"
#include "meta/store/mount_record.h"

namespace imgmount {
namespace {

constexpr size_t kMinIdDigits = 4;

using Images = std::vector<const CachedImage*>;

// A whole removal, on an inventory that the removal lock keeps true.
class Remover {
 public:
  Remover(const Cache& cache, const RemovalLock& lock,
          const Inventory& inventory, bool dry_run)
      : cache_(cache), lock_(lock), inventory_(inventory), dry_run_(dry_run) {}

  Status Untag(const CachedImage& image, size_t name) {
    removal_.names.push_back(image.ShownName(name));
    if (dry_run_) return {};
    return cache_.RemoveName(image.names[name]);
  }

  // The images with all their names.
  Status RemoveImages(const Images& images) {
    std::set<CacheItem> derived;
    std::set<CacheItem> published;
    for (const CachedImage* image : images) {
      for (const CacheItem& item : image->items) {
        if (IsNeededOtherwise(item, images)) continue;
        (item.starts_with("blobs/") ? published : derived).insert(item);
      }
    }
    IMGMOUNT_CHECK(RemoveItems(derived));
    for (const CachedImage* image : images) {
      for (size_t i = 0; i < image->names.size(); ++i) {
        IMGMOUNT_CHECK(Untag(*image, i));
      }
    }
    for (const CachedImage* image : images) {
      for (const Use& use : inventory_.uses) {
        if (use.held || !image->items.contains(BlobItem(use.manifest)) ||
            IsNeededOtherwise(BlobItem(use.manifest), images) || dry_run_) {
          continue;
        }
        IMGMOUNT_CHECK(lock_.Forget(use));
      }
    }
    return RemoveItems(published);
  }

  Status RemoveItems(const std::set<CacheItem>& items) {
    for (const CacheItem& item : items) {
      const auto found = inventory_.items.find(item);
      if (found == inventory_.items.end()) continue;
      for (const auto& path : PathsOf(cache_, item)) {
        if (dry_run_) break;
        IMGMOUNT_CHECK(RemoveBeneath(cache_.folder(),
                                     path.lexically_relative(cache_.folder())));
      }
      removal_.items.push_back(item);
      removal_.bytes += found->second;
    }
    return {};
  }

  Removal Take() { return std::move(removal_); }

 private:
  bool IsNeededOtherwise(const CacheItem& item, const Images& going) const {
    if (inventory_.held.contains(item)) return true;
    return std::any_of(inventory_.images.begin(), inventory_.images.end(),
                       [&](const CachedImage& image) {
                         return image.items.contains(item) &&
                                std::find(going.begin(), going.end(), &image) ==
                                    going.end();
                       });
  }

  const Cache& cache_;
  const RemovalLock& lock_;
  const Inventory& inventory_;
  const bool dry_run_;
  Removal removal_;
};

std::string InUse(const std::string& name, const CachedImage& image) {
  if (image.mount_points.empty()) {
    return name + ": in use by another process; try again when it has ended";
  }
  const std::string& point = image.mount_points.front();
  return fmt::format(
      "{}: in use: mounted on {}; unmount it first (imgmount -u {})", name,
      point, point);
}

bool HasId(const CachedImage& image, std::string_view text) {
  const std::string_view digits = DigitsOfId(text);
  if (digits.size() < kMinIdDigits) return false;
  if (image.published.digest.hex().starts_with(digits)) return true;
  return std::any_of(image.images.begin(), image.images.end(),
                     [&](const Image& it) { return HasId(it, text); });
}

// Entries without a name are other tools' business.
bool MayGo(const CachedImage& image, const PruneRules& rules) {
  const auto& names = image.names;
  return !image.held && image.published.digest != rules.keep &&
         std::find(names.begin(), names.end(), "") == names.end();
}

// The bytes that would be left in the cache.
uint64_t BytesWithout(const Inventory& inventory, const Images& going) {
  std::set<CacheItem> left = inventory.held;
  for (const CachedImage& image : inventory.images) {
    if (std::find(going.begin(), going.end(), &image) == going.end()) {
      left.insert(image.items.begin(), image.items.end());
    }
  }
  return inventory.BytesOf(left);
}

Images ChooseImages(const Inventory& inventory, const PruneRules& rules) {
  Images candidates;
  for (const CachedImage& image : inventory.images) {
    if (MayGo(image, rules)) candidates.push_back(&image);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const CachedImage* a, const CachedImage* b) {
                     return a->last_used < b->last_used;
                   });
  Images going;
  for (const CachedImage* image : candidates) {
    const bool by_age =
        rules.used_before && image->last_used < *rules.used_before;
    const bool by_size =
        rules.max_bytes && BytesWithout(inventory, going) > *rules.max_bytes;
    if (rules.all_images || by_age || by_size) going.push_back(image);
  }
  return going;
}

Result<Removal> PruneLocked(const Cache& cache, const RemovalLock& lock,
                            const Inventory& inventory,
                            const PruneRules& rules) {
  Remover remover(cache, lock, inventory, rules.dry_run);
  IMGMOUNT_CHECK(remover.RemoveItems(inventory.Unneeded()));
  const Images going = ChooseImages(inventory, rules);
  IMGMOUNT_CHECK(remover.RemoveImages(going));
  Removal removal = remover.Take();
  removal.left_bytes = BytesWithout(inventory, going);
  for (const CachedImage& image : inventory.images) {
    if (image.held) removal.in_use.push_back(image.ShownName());
  }
  return removal;
}

// Who keeps an image from removal.
enum class InUseBy { kNobody, kMount, kUnknown };

// As RemoveImage(); `in_use` says whether that is why it failed.
Result<Removal> TryToRemove(const Cache& cache, const std::string& text,
                            InUseBy& in_use) {
  IMGMOUNT_TRY(const RemovalLock lock, RemovalLock::Acquire(cache));
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache, lock));
  IMGMOUNT_TRY(const FoundImage found, FindImage(inventory, text));
  const CachedImage& image = *found.image;
  Remover remover(cache, lock, inventory, /*dry_run=*/false);
  if (found.name && image.names.size() > 1) {
    IMGMOUNT_CHECK(remover.Untag(image, *found.name));
    return remover.Take();
  }
  if (image.held) {
    in_use = image.mount_points.empty() ? InUseBy::kUnknown : InUseBy::kMount;
    return Fail(ErrorCode::kIo, InUse(text, image));
  }
  IMGMOUNT_CHECK(remover.RemoveImages({&image}));
  return remover.Take();
}

}  // namespace

std::string_view DigitsOfId(std::string_view text) {
  constexpr std::string_view kAlgorithm = "sha256:";
  if (text.starts_with(kAlgorithm)) text.remove_prefix(kAlgorithm.size());
  return text;
}

bool HasId(const Image& image, std::string_view text) {
  const std::string_view digits = DigitsOfId(text);
  return image.manifest_digest.hex().starts_with(digits) ||
         image.manifest.config.digest.hex().starts_with(digits);
}

Result<FoundImage> FindImage(const Inventory& inventory,
                             const std::string& text) {
  std::string canonical = text;
  if (const auto reference = Reference::Parse(text)) {
    canonical = reference->Canonical();
  }
  std::vector<std::string> names;
  Images by_id;
  for (const CachedImage& image : inventory.images) {
    for (size_t i = 0; i < image.names.size(); ++i) {
      const std::string& name = image.names[i];
      if (!name.empty() && (name == canonical || name == text)) {
        return FoundImage{&image, i};
      }
      names.push_back(image.ShownName(i));
    }
    if (HasId(image, text)) by_id.push_back(&image);
  }
  if (by_id.size() == 1) return FoundImage{by_id.front(), {}};
  if (by_id.size() > 1) {
    std::vector<std::string> with_id;
    for (const CachedImage* image : by_id) {
      with_id.push_back(image->ShownName());
    }
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: several images have such an ID: {}; name one",
                            text, fmt::join(with_id, ", ")));
  }
  return Fail(ErrorCode::kNotFound, text + ": no such image in the cache" +
                                        DidYouMeanImage(text, names));
}

Result<Removal> RemoveImage(const Cache& cache, const std::string& text) {
  constexpr std::chrono::milliseconds kBetweenTries{50};
  const auto give_up = std::chrono::steady_clock::now() + kMaxUnmountWait;
  auto in_use = InUseBy::kNobody;
  auto removal = TryToRemove(cache, text, in_use);
  if (in_use == InUseBy::kNobody) return removal;
  // Perhaps by a mount that was just unmounted; it may be one without a record.
  IMGMOUNT_CHECK(AwaitUnmounted(cache));
  while (true) {
    in_use = InUseBy::kNobody;
    removal = TryToRemove(cache, text, in_use);
    if (in_use != InUseBy::kUnknown ||
        std::chrono::steady_clock::now() > give_up) {
      return removal;
    }
    std::this_thread::sleep_for(kBetweenTries);
  }
}

Result<Removal> Prune(const Cache& cache, const PruneRules& rules) {
  IMGMOUNT_CHECK(AwaitUnmounted(cache));
  IMGMOUNT_TRY(const RemovalLock lock, RemovalLock::Acquire(cache));
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache, lock));
  return PruneLocked(cache, lock, inventory, rules);
}

Result<Removal> KeepBelow(const Cache& cache, uint64_t max_bytes,
                          const Digest& keep) {
  IMGMOUNT_TRY(const RemovalLock lock, RemovalLock::Acquire(cache));
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache, lock));
  if (inventory.Bytes() <= max_bytes) {
    return Removal{.left_bytes = inventory.Bytes()};
  }
  PruneRules rules{.max_bytes = max_bytes, .keep = keep};
  return PruneLocked(cache, lock, inventory, rules);
}

}  // namespace imgmount
