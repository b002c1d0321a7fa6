// SPDX-License-Identifier: Apache-2.0
#include "meta/upkeep/verify.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "meta/base/beneath.h"
#include "meta/base/regular_file.h"
#include "meta/layer/first_pass.h"
#include "meta/layer/span_table.h"
#include "meta/store/access_profile_file.h"
#include "meta/store/layer_facts.h"
#include "meta/store/layer_store.h"
#include "meta/store/use_lock.h"
#include "meta/tar/layer_index.h"
#include "meta/union/union_tree.h"
#include "meta/upkeep/evict.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunk = 1 << 20;

Failure Interrupted() { return Fail(ErrorCode::kCancelled, "interrupted"); }

class Verifier {
 public:
  Verifier(const Cache& cache, const Inventory& inventory,
           const std::function<bool()>& stopped)
      : cache_(cache), inventory_(inventory), stopped_(stopped) {}

  Status Run() {
    for (const auto& [item, bytes] : inventory_.items) {
      if (stopped_()) return Interrupted();
      IMGMOUNT_CHECK(Item(item));
    }
    for (const CachedImage& image : inventory_.images) FindMissing(image);
    return {};
  }
  Verification Take() { return std::move(result_); }

 private:
  Status Item(const CacheItem& item) {
    if (item.starts_with("blobs/")) return Blob(item);
    if (item.starts_with("imgmount/layers/")) return Layer(item);
    if (item.starts_with("imgmount/trees/")) Tree(item);
    if (item.starts_with("imgmount/starts/")) AccessProfiles(item);
    return {};
  }

  // `checked` tells what is wrong with it, if anything. What is not there any
  // more was removed meanwhile.
  void Note(const CacheItem& item, const Status& checked) {
    if (checked) return;
    std::error_code ignored;
    if (!fs::exists(cache_.folder() / item, ignored)) return;
    result_.damage.push_back({item, checked.error().message()});
  }

  Status Blob(const CacheItem& item) {
    const auto digest = DigestOfItem(item);
    if (!digest) return {};
    ++result_.blobs;
    const auto hashed = Hash(*digest);
    if (!hashed && hashed.error().code() == ErrorCode::kCancelled) {
      return hashed;
    }
    Note(item, hashed);
    return {};
  }

  Status Hash(const Digest& digest) {
    IMGMOUNT_TRY(const UniqueFd fd, OpenRegularFile(cache_.BlobPath(digest)));
    Hasher hasher(digest.algorithm());
    std::vector<std::byte> chunk(kChunk);
    for (uint64_t offset = 0;;) {
      if (stopped_()) return Interrupted();
      IMGMOUNT_TRY(const size_t n, ReadAt(fd.get(), chunk, offset));
      if (n == 0) break;
      hasher.Update(std::span(chunk).first(n));
      offset += n;
    }
    const Digest actual = hasher.FinishDigest();
    if (actual == digest) return {};
    return Fail(ErrorCode::kCorrupt, "its digest is " + actual.text());
  }

  Status Layer(const CacheItem& item) {
    const auto digest = DigestOfItem(item);
    if (!digest) return {};
    IMGMOUNT_TRY(const auto lock, cache_.TryLockLayer(*digest));
    if (!lock) {
      ++result_.busy;
      return {};
    }
    NoteWrongTocs(item);
    const auto facts = LoadFacts(cache_, *digest);
    if (!facts && facts.error().code() == ErrorCode::kNotFound) return {};
    ++result_.layers;
    if (!facts) {
      Note(item, Failure(facts.error()));
      return {};
    }
    const auto checked = DerivedFiles(*digest, *facts);
    if (!checked && checked.error().code() == ErrorCode::kCancelled) {
      return checked;
    }
    Note(item, checked);
    return {};
  }

  // That a mount found to say other than the layer's tar. It is not used any
  // more; whoever read the image before should know.
  void NoteWrongTocs(const CacheItem& item) {
    std::error_code ignored;
    for (fs::directory_iterator it(cache_.folder() / item, ignored), end;
         !ignored && it != end; it.increment(ignored)) {
      const auto why = WhyTocIsWrong(it->path());
      if (why) result_.damage.push_back({item, *why});
    }
  }

  Status DerivedFiles(const Digest& digest, const LayerFacts& facts) {
    const fs::path folder = cache_.LayerFolder(digest);
    IMGMOUNT_TRY(const LayerIndex index,
                 LayerIndex::Load(folder / kIndexFile, digest.text()));
    if (index.diff_size() != facts.diff_size) {
      return Fail(ErrorCode::kCorrupt, "index and facts.json disagree");
    }
    auto opened = SpanTable::Open(folder / kSpansFile);
    if (!opened && opened.error().code() == ErrorCode::kUnsupported) return {};
    IMGMOUNT_TRY(const auto spans, std::move(opened));
    if (spans->size() != facts.uncompressed_size) {
      return Fail(ErrorCode::kCorrupt, "spans and facts.json disagree");
    }
    std::unique_ptr<BlobSource> frames;
    if (spans->needs_frames()) {
      IMGMOUNT_TRY(frames, OpenBlobFile(folder / kFramesFile));
    }
    auto blob = OpenBlobFile(cache_.BlobPath(digest));
    // An image in a layout of its own (oci:DIR) has only these files here.
    if (!blob) return {};
    Hasher hasher(facts.diff_id.algorithm());
    std::vector<std::byte> out;
    for (size_t i = 0; i < spans->span_count(); ++i) {
      if (stopped_()) return Interrupted();
      const uint64_t length = spans->span(i).length;
      out.resize(length);
      IMGMOUNT_TRY(const auto decoder,
                   SpanDecoder::Start(*spans, i, **blob, frames.get(), out));
      IMGMOUNT_CHECK(decoder->DecodeTo(length));
      hasher.Update(out);
    }
    if (hasher.FinishDiffId() == facts.diff_id) return {};
    return Fail(ErrorCode::kCorrupt, "spans and diff ID disagree");
  }

  void Tree(const CacheItem& item) {
    ++result_.trees;
    Note(item, [&]() -> Status {
      IMGMOUNT_TRY(const auto tree,
                   UnionTree::Open(cache_.folder() / item,
                                   fs::path(item).filename().native()));
      return tree->VerifyAll();
    }());
  }

  void AccessProfiles(const CacheItem& item) {
    Note(item, [&]() -> Status {
      const fs::path path = cache_.folder() / item;
      IMGMOUNT_CHECK(ReadProfiles(path, path.filename().native()));
      return {};
    }());
  }

  bool WasPulled(const Image& image) const {
    for (const Use& use : inventory_.uses) {
      if (use.manifest == image.manifest_digest) return !use.held;
    }
    return false;
  }

  void FindMissing(const CachedImage& cached) {
    for (const Image& image : cached.images) {
      if (!WasPulled(image)) continue;
      for (const Descriptor& layer : image.manifest.layers) {
        if (cache_.HasBlob(layer.digest)) continue;
        if (IsPartial(cache_, layer.digest)) continue;
        const CacheItem item = BlobItem(layer.digest);
        const bool known = std::any_of(
            result_.damage.begin(), result_.damage.end(),
            [&](const Damage& damage) { return damage.item == item; });
        if (!known) {
          result_.damage.push_back(
              {item, "missing, a layer of " + cached.ShownName()});
        }
      }
    }
  }

  const Cache& cache_;
  const Inventory& inventory_;
  const std::function<bool()>& stopped_;
  Verification result_;
};

}  // namespace

Result<Verification> VerifyCache(const Cache& cache,
                                 const std::function<bool()>& stopped) {
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache));
  Verifier verifier(cache, inventory, stopped);
  IMGMOUNT_CHECK(verifier.Run());
  return verifier.Take();
}

Status RemoveDamaged(const Cache& cache, const CacheItem& item) {
  return RemoveBeneath(cache.folder(), item);
}

}  // namespace imgmount
