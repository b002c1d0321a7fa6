// SPDX-License-Identifier: Apache-2.0
#include "meta/upkeep/evict.h"

#include <set>
#include <system_error>
#include <utility>

#include "meta/layer/first_pass.h"
#include "meta/layer/span_digests.h"
#include "meta/partial/partial_blob.h"
#include "meta/store/layer_facts.h"
#include "meta/upkeep/inventory.h"
#include "meta/upkeep/removal.h"

namespace imgmount {
namespace {

// Notes the digests of a whole layer's spans. A reason not to; else nothing.
Result<std::string> NoteDigests(const Cache& cache, const Descriptor& layer) {
  const auto folder = cache.LayerFolder(layer.digest);
  const auto spans = SpanTable::Open(folder / kSpansFile);
  if (!LoadFacts(cache, layer.digest) || !spans) {
    return std::string("it was never indexed; mount the image once");
  }
  if ((*spans)->needs_frames()) {
    return std::string("its encoding can only be decoded from its beginning");
  }
  IMGMOUNT_TRY(const auto blob, OpenBlobFile(cache.BlobPath(layer.digest)));
  IMGMOUNT_CHECK(WriteSpanDigests(folder / kSpanDigestsFile, **spans, *blob,
                                  layer.digest));
  return std::string();
}

class Evictor {
 public:
  Evictor(const Cache& cache, const Inventory& inventory)
      : cache_(cache), inventory_(inventory) {}

  Status Evict(const Descriptor& layer) {
    if (!seen_.insert(layer.digest).second || !IsHere(layer.digest)) return {};
    if (inventory_.held.contains(BlobItem(layer.digest))) {
      return Keep(layer, "in use by another image that is mounted");
    }
    IMGMOUNT_TRY(const auto lock, cache_.TryLockLayer(layer.digest));
    if (!lock) return Keep(layer, "in use by a pull");
    auto evicted = EvictLocked(layer);
    if (evicted) return evicted;
    return Failure(std::move(evicted).error().In(
        "layer " + std::string(layer.digest.short_hex())));
  }

  Eviction Take() { return std::move(eviction_); }

 private:
  bool IsHere(const Digest& layer) const {
    return cache_.HasBlob(layer) || IsPartial(cache_, layer);
  }

  Status Keep(const Descriptor& layer, std::string why) {
    eviction_.kept.push_back({layer.digest, std::move(why)});
    return {};
  }

  Status EvictLocked(const Descriptor& layer) {
    const auto partial = cache_.PartialPath(layer.digest);
    std::shared_ptr<PartialBlob> bytes;
    if (cache_.HasBlob(layer.digest)) {
      IMGMOUNT_TRY(std::string reason, NoteDigests(cache_, layer));
      if (!reason.empty()) return Keep(layer, std::move(reason));
      IMGMOUNT_TRY(bytes, PartialBlob::TakeBack(cache_.BlobPath(layer.digest),
                                                partial, layer.size));
    } else {
      auto opened =
          PartialBlob::Open(partial, layer.size, PartialBlob::Mode::kExisting);
      if (!opened && opened.error().code() == ErrorCode::kNotFound) return {};
      IMGMOUNT_TRY(bytes, std::move(opened));
    }
    IMGMOUNT_TRY(const uint64_t here, bytes->CountHere(bytes->all()));
    IMGMOUNT_TRY(const bool evicted, bytes->Evict(bytes->all()));
    if (!evicted) return Keep(layer, "in use by another process");
    eviction_.layers.push_back(layer.digest);
    eviction_.bytes += std::min(here * kPieceBytes, layer.size);
    return {};
  }

  const Cache& cache_;
  const Inventory& inventory_;
  std::set<Digest> seen_;
  Eviction eviction_;
};

}  // namespace

bool IsPartial(const Cache& cache, const Digest& layer) {
  std::error_code ignored;
  return std::filesystem::exists(PartialBlob::MapPath(cache.PartialPath(layer)),
                                 ignored);
}

Result<Eviction> EvictImage(const Cache& cache, const std::string& text) {
  IMGMOUNT_TRY(const RemovalLock lock, RemovalLock::Acquire(cache));
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache, lock));
  IMGMOUNT_TRY(const FoundImage found, FindImage(inventory, text));
  Evictor evictor(cache, inventory);
  for (const Image& image : found.image->images) {
    for (const Descriptor& layer : image.manifest.layers) {
      IMGMOUNT_CHECK(evictor.Evict(layer));
    }
  }
  return evictor.Take();
}

}  // namespace imgmount
