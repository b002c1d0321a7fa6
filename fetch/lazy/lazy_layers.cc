// SPDX-License-Identifier: Apache-2.0
#include "fetch/lazy/lazy_layers.h"

#include <chrono>
#include <future>
#include <utility>

#include "fetch/lazy/layer_completion.h"
#include "meta/base/file.h"
#include "meta/layer/first_pass.h"
#include "meta/layer/span_digests.h"
#include "meta/store/layer_facts.h"
#include "meta/store/layer_store.h"

namespace imgmount {
namespace {

// The blob that a reader gets; others have the lazy blob as well.
class SharedBlob : public BlobSource {
 public:
  SharedBlob(std::shared_ptr<LazyBlob> blob,
             std::shared_ptr<const std::atomic<bool>> is_wrong)
      : blob_(std::move(blob)), is_wrong_(std::move(is_wrong)) {}
  uint64_t size() const override { return blob_->size(); }
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) override {
    if (*is_wrong_) {
      return Fail(ErrorCode::kCorrupt,
                  "its table of contents says other than its tar");
    }
    return blob_->Read(offset, out);
  }
  void WillNeed(uint64_t offset, uint64_t length) override {
    blob_->WillNeed(offset, length);
  }
  std::unique_ptr<BlobWait> Await(uint64_t offset, uint64_t length,
                                  const Arrived& arrived) override {
    return blob_->Await(offset, length, arrived);
  }
  bool IsHere(uint64_t offset, uint64_t length) const override {
    return blob_->IsHere(offset, length);
  }
  bool Refetch(uint64_t offset, uint64_t length) override {
    return !*is_wrong_ && blob_->Refetch(offset, length);
  }

 private:
  const std::shared_ptr<LazyBlob> blob_;
  const std::shared_ptr<const std::atomic<bool>> is_wrong_;
};

Result<std::unique_ptr<SpanTable>> OpenEvictedSpans(const Cache& cache,
                                                    const Digest& layer) {
  const auto folder = cache.LayerFolder(layer);
  IMGMOUNT_TRY(auto spans, SpanTable::Open(folder / kSpansFile));
  return WithSpanDigests(std::move(spans), folder / kSpanDigestsFile, layer);
}

bool IsEvicted(const Cache& cache, const Descriptor& layer,
               const DiffId& diff_id) {
  const auto facts = LoadFacts(cache, layer.digest);
  return facts && facts->DiffIdBy(diff_id.algorithm()) == diff_id &&
         OpenEvictedSpans(cache, layer.digest).has_value() &&
         LayerIndex::Load(cache.LayerFolder(layer.digest) / kIndexFile,
                          layer.digest.text())
             .has_value();
}

Status FillBlob(LazyBlob& blob, const std::function<bool()>& stopped) {
  constexpr std::chrono::milliseconds kBetweenLooks{200};
  const auto promise = std::make_shared<std::promise<Status>>();
  auto arrival = promise->get_future();
  const auto wait = blob.Fill(
      [promise](const Status& status) { promise->set_value(status); });
  if (!wait) return {};
  while (arrival.wait_for(kBetweenLooks) != std::future_status::ready) {
    if (stopped()) return Fail(ErrorCode::kCancelled, "interrupted");
  }
  return arrival.get();
}

}  // namespace

LayerState StateOf(const Cache& cache, const Descriptor& layer,
                   const DiffId& diff_id) {
  if (cache.HasBlob(layer.digest)) {
    return HasDerivedFiles(cache, layer.digest) ? LayerState::kWhole
                                                : LayerState::kMissing;
  }
  if (IsEvicted(cache, layer, diff_id)) return LayerState::kEvicted;
  return TocLayer::Find(cache, layer) ? LayerState::kByToc
                                      : LayerState::kMissing;
}

LazyLayers::LazyLayers(Cache cache, Image image,
                       std::shared_ptr<LazyBlobs> blobs)
    : cache_(std::move(cache)),
      image_(std::move(image)),
      cached_(cache_, image_),
      blobs_(std::move(blobs)) {
  for (size_t i = 0; i < layer_count(); ++i) {
    Layer layer{StateOf(cache_, descriptor(i), image_.config.diff_ids[i])};
    if (layer.state == LayerState::kByToc) {
      layer.toc = TocLayer::Find(cache_, descriptor(i));
    }
    layers_.push_back(std::move(layer));
  }
}

Result<LayerIndex> LazyLayers::Index(size_t layer) const {
  if (layer < layers_.size() && layers_[layer].toc) {
    return layers_[layer].toc->LoadIndex();
  }
  return cached_.Index(layer);
}

Result<OpenedLayer> LazyLayers::Open(size_t layer) const {
  if (layer >= layers_.size() || layers_[layer].state == LayerState::kWhole) {
    return cached_.Open(layer);
  }
  return OpenLazily(layer);
}

Result<OpenedLayer> LazyLayers::OpenLazily(size_t layer) const {
  const Descriptor& blob = descriptor(layer);
  OpenedLayer opened;
  if (layers_[layer].toc) {
    IMGMOUNT_CHECK(layers_[layer].toc->CheckTrusted());
    opened.identity = layers_[layer].toc->identity().text();
    IMGMOUNT_TRY(opened.spans, layers_[layer].toc->OpenChunks());
  } else {
    opened.identity = blob.digest.text();
    IMGMOUNT_TRY(opened.spans, OpenEvictedSpans(cache_, blob.digest));
  }
  // A pull may have completed it since.
  if (!cache_.HasBlob(blob.digest)) {
    auto lazy = blobs_->Open(cache_, blob);
    if (lazy) {
      opened.blob = std::make_unique<SharedBlob>(*std::move(lazy),
                                                 layers_[layer].is_wrong);
      return opened;
    }
    if (lazy.error().code() != ErrorCode::kNotFound) {
      return Failure(std::move(lazy).error());
    }
  }
  IMGMOUNT_TRY(opened.blob, OpenBlobFile(cache_.BlobPath(blob.digest)));
  return opened;
}

Status LazyLayers::Fill(size_t layer,
                        const std::function<bool()>& stopped) const {
  const Layer& how = layers_.at(layer);
  const Descriptor& blob = descriptor(layer);
  if (how.state == LayerState::kWhole || cache_.HasBlob(blob.digest)) return {};
  const auto complete = [&]() -> Result<std::optional<std::string>> {
    IMGMOUNT_TRY(const auto lazy, blobs_->Open(cache_, blob));
    IMGMOUNT_CHECK(FillBlob(*lazy, stopped));
    return CompleteLayer(cache_, blob, image_.config.diff_ids[layer],
                         how.toc ? &*how.toc : nullptr, lazy->bytes(), stopped);
  };
  const auto is_corrupt = [](const auto& completed) {
    return !completed && completed.error().code() == ErrorCode::kCorrupt;
  };
  auto wrong = complete();
  // The bad bytes, now discarded, may be old ones, a power failure's work.
  if (is_corrupt(wrong)) wrong = complete();
  if (is_corrupt(wrong) || (wrong && *wrong)) *how.is_wrong = true;
  IMGMOUNT_CHECK(wrong);
  if (!*wrong) return {};
  return Fail(ErrorCode::kCorrupt, **std::move(wrong));
}

bool LazyLayers::HasTocs(size_t layers) const {
  for (size_t i = 0; i < layers; ++i) {
    if (layers_[i].toc) return true;
  }
  return false;
}

Result<std::unique_ptr<UnionTree>> LazyLayers::Tree(size_t layers) const {
  if (!HasTocs(layers)) return cached_.Tree(layers);
  const std::string key = TreeKey(layers);
  const auto path = cache_.TreePath(key);
  auto tree = UnionTree::Open(path, key);
  if (tree) return tree;
  IMGMOUNT_TRY(const FileLock lock, cache_.Lock("tree-" + key));
  tree = UnionTree::Open(path, key);
  if (tree) return tree;
  std::vector<LayerIndex> indexes;
  std::vector<const LayerIndex*> pointers;
  indexes.reserve(layers);
  for (size_t i = 0; i < layers; ++i) {
    IMGMOUNT_TRY(LayerIndex index, Index(i));
    pointers.push_back(&indexes.emplace_back(std::move(index)));
  }
  IMGMOUNT_CHECK(Merge(pointers, path, {.subject = key}));
  return UnionTree::Open(path, key);
}

std::string LazyLayers::TreeKey(size_t layers) const {
  if (!HasTocs(layers)) return cached_.TreeKey(layers);
  Hasher hasher;
  hasher.Update("layers by their tables of contents\n");
  for (size_t i = 0; i < layers; ++i) {
    hasher.Update(layers_[i].toc ? layers_[i].toc->identity().text()
                                 : image_.config.diff_ids[i].text());
    hasher.Update("\n");
  }
  return std::string(hasher.FinishDigest().hex());
}

void LazyLayers::WillReread(size_t layer, std::span<const TarRun> runs) const {
  // Digests of spans are about the table as it is.
  if (layer < layers_.size() && layers_[layer].state == LayerState::kWhole) {
    cached_.WillReread(layer, runs);
  }
}

}  // namespace imgmount
