// SPDX-License-Identifier: Apache-2.0
#include "meta/upkeep/inventory.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <variant>

#include "meta/partial/partial_blob.h"
#include "meta/store/image_names.h"
#include "meta/store/layer_store.h"
#include "meta/store/mount_record.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr char kPartial[] = "imgmount/partial/";
constexpr char kTrees[] = "imgmount/trees/";
constexpr char kProfiles[] = "imgmount/starts/";
// Half-written files older than this are a killed process's.
constexpr auto kAbandonedAfter = std::chrono::hours(24);

bool IsTemporary(const fs::path& path) {
  return path.filename().string().find(".tmp-") != std::string::npos;
}

bool IsAbandoned(const fs::path& path) {
  std::error_code error;
  const auto written = fs::last_write_time(path, error);
  return !error && written < fs::file_time_type::clock::now() - kAbandonedAfter;
}

// Bytes that a file with holes and its map take on the disk. What vanishes
// meanwhile is 0.
uint64_t PartialBytes(const fs::path& path) {
  uint64_t bytes = 0;
  struct stat status;
  for (const fs::path& file : {path, PartialBlob::MapPath(path)}) {
    if (::lstat(file.c_str(), &status) != 0) continue;
    bytes += std::min(static_cast<uint64_t>(status.st_size),
                      static_cast<uint64_t>(status.st_blocks) * 512);
  }
  return bytes;
}

// Bytes of a file, or of all files below a folder; what vanishes is 0.
uint64_t BytesBelow(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) {
    const uint64_t size = fs::file_size(path, error);
    return error ? 0 : size;
  }
  uint64_t bytes = 0;
  fs::recursive_directory_iterator it(path, error);
  for (; !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    std::error_code ignored;
    const uint64_t size =
        it->is_regular_file(ignored) ? it->file_size(ignored) : 0;
    if (!ignored) bytes += size;
  }
  return bytes;
}

Status ListItems(const Cache& cache, std::map<CacheItem, uint64_t>& items) {
  for (const char* folder : {"blobs/sha256/", "blobs/sha512/",
                             "imgmount/layers/", kTrees, kProfiles, kPartial}) {
    std::error_code error;
    fs::directory_iterator it(cache.folder() / folder, error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
      fs::path path = it->path();
      if (IsTemporary(path) && !IsAbandoned(path)) continue;
      if (folder == std::string_view(kPartial)) {
        if (path == PartialBlob::MapPath(path.parent_path() / path.stem())) {
          path.replace_extension();
        }
        items[folder + path.filename().string()] = PartialBytes(path);
      } else {
        items[folder + path.filename().string()] = BytesBelow(path);
      }
    }
    if (error) {
      return FailErrno((cache.folder() / folder).string(), error.value());
    }
  }
  return {};
}

// The image's own trees, as of each of its layers.
void AddTrees(const Image& image, std::set<CacheItem>& items) {
  for (size_t n = 0; n <= image.manifest.layers.size(); ++n) {
    items.insert(TreeItem(TreeKey(image, n)));
    items.insert(ProfilesItem(TreeKey(image, n)));
  }
}

void AddItems(const Image& image, std::set<CacheItem>& items) {
  items.insert(BlobItem(image.manifest_digest));
  items.insert(BlobItem(image.manifest.config.digest));
  for (const Descriptor& layer : image.manifest.layers) {
    items.insert(BlobItem(layer.digest));
    items.insert(LayerItem(layer.digest));
    items.insert(PartialItem(layer.digest));
  }
  AddTrees(image, items);
}

// Manifests may be for any platform; those that are here count.
void AddDocument(const Cache& cache, const Descriptor& descriptor, int depth,
                 CachedImage& out) {
  out.items.insert(BlobItem(descriptor.digest));
  const auto bytes = cache.ReadBlob(descriptor.digest, kMaxManifestBytes);
  if (!bytes) return;
  const auto document = ParseManifestOrIndex(*bytes, descriptor.media_type);
  if (!document) return;
  if (const auto* index = std::get_if<Index>(&*document)) {
    if (depth >= kMaxIndexDepth) return;
    for (const Descriptor& entry : index->manifests) {
      AddDocument(cache, entry, depth + 1, out);
    }
    return;
  }
  auto image = cache.Load(descriptor, Platform::OfThisMachine());
  if (!image) return;
  if (depth > 0) image->index_digest = out.published.digest;
  AddItems(*image, out.items);
  out.images.push_back(*std::move(image));
}

Status ListImages(const Cache& cache, std::vector<CachedImage>& images) {
  IMGMOUNT_TRY(const auto names, cache.ListAll());
  for (const Cache::IndexEntry& named : names) {
    const auto known =
        std::find_if(images.begin(), images.end(), [&](const auto& image) {
          return image.published.digest == named.descriptor.digest;
        });
    if (known != images.end()) {
      known->names.push_back(named.name);
      continue;
    }
    CachedImage image{.published = named.descriptor,
                      .names = {named.name},
                      .images = {},
                      .items = {},
                      .last_used = 0,
                      .held = false,
                      .mount_points = {}};
    AddDocument(cache, named.descriptor, 0, image);
    images.push_back(std::move(image));
  }
  return {};
}

void AddUsed(const Use& use, std::set<CacheItem>& items) {
  for (const Digest& digest : use.blobs) {
    items.insert(BlobItem(digest));
    items.insert(LayerItem(digest));
    items.insert(PartialItem(digest));
  }
}

// Adds what a held lock lists, whether the image is known here or not.
void AddHeld(const Use& use, Inventory& inventory) {
  AddUsed(use, inventory.held);
  // Somebody may be about to open a tree that cannot be told from here: all
  // stay.
  for (const auto& [item, bytes] : inventory.items) {
    if (item.starts_with(kTrees) || item.starts_with(kProfiles))
      inventory.held.insert(item);
  }
}

std::time_t WrittenAt(const fs::path& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? status.st_mtime : 0;
}

}  // namespace

std::string CachedImage::ShownName(size_t i) const {
  if (names.at(i).empty()) return published.digest.text();
  return imgmount::ShownName(names[i]);
}

uint64_t Inventory::Bytes() const {
  uint64_t bytes = 0;
  for (const auto& [item, size] : items) bytes += size;
  return bytes;
}

uint64_t Inventory::BytesOf(const std::set<CacheItem>& some) const {
  uint64_t bytes = 0;
  for (const CacheItem& item : some) {
    const auto found = items.find(item);
    if (found != items.end()) bytes += found->second;
  }
  return bytes;
}

size_t Inventory::ImageCount(const CacheItem& item) const {
  return static_cast<size_t>(std::count_if(
      images.begin(), images.end(),
      [&](const auto& image) { return image.items.contains(item); }));
}

std::set<CacheItem> Inventory::Unneeded() const {
  std::set<CacheItem> unneeded;
  for (const auto& [item, bytes] : items) {
    if (!held.contains(item) && ImageCount(item) == 0) unneeded.insert(item);
  }
  return unneeded;
}

Result<Inventory> TakeInventory(const Cache& cache, const RemovalLock& lock) {
  if (cache.IsReadOnly()) {
    return Fail(ErrorCode::kInternal, "an inventory of another's layout");
  }
  Inventory inventory;
  IMGMOUNT_CHECK(ListItems(cache, inventory.items));
  IMGMOUNT_CHECK(ListImages(cache, inventory.images));
  IMGMOUNT_TRY(inventory.uses, lock.Uses());
  IMGMOUNT_TRY(const auto mounted, MountedImages(cache));
  for (const Use& use : inventory.uses) {
    if (use.held) AddHeld(use, inventory);
  }
  for (CachedImage& image : inventory.images) {
    image.last_used = WrittenAt(cache.BlobPath(image.published.digest));
    for (const Use& use : inventory.uses) {
      if (!image.items.contains(BlobItem(use.manifest))) continue;
      // The image's own items, unless a document of it is damaged.
      AddUsed(use, image.items);
      image.last_used = std::max(image.last_used, use.last_used);
      image.held = image.held || use.held;
    }
    for (const MountedImage& mount : mounted) {
      if (image.items.contains(BlobItem(mount.manifest))) {
        image.mount_points.push_back(mount.point);
      }
    }
  }
  return inventory;
}

Result<Inventory> TakeInventory(const Cache& cache) {
  IMGMOUNT_TRY(const RemovalLock lock, RemovalLock::Acquire(cache));
  return TakeInventory(cache, lock);
}

std::vector<fs::path> PathsOf(const Cache& cache, const CacheItem& item) {
  const fs::path path = cache.folder() / item;
  if (!item.starts_with(kPartial)) return {path};
  return {path, PartialBlob::MapPath(path)};
}

CacheItem BlobItem(const Digest& digest) {
  const std::string& text = digest.text();
  return "blobs/" + text.substr(0, text.find(':')) + '/' +
         std::string(digest.hex());
}

CacheItem LayerItem(const Digest& digest) {
  return "imgmount/layers/" + std::string(digest.hex());
}

CacheItem PartialItem(const Digest& digest) {
  return kPartial + std::string(digest.hex());
}

CacheItem TreeItem(const std::string& key) { return kTrees + key; }
CacheItem ProfilesItem(const std::string& key) { return kProfiles + key; }

std::optional<Digest> DigestOfItem(const CacheItem& item) {
  const std::string hex = item.substr(item.rfind('/') + 1);
  auto digest =
      Digest::Parse((hex.size() == 128 ? "sha512:" : "sha256:") + hex);
  if (!digest) return std::nullopt;
  return *std::move(digest);
}

}  // namespace imgmount
