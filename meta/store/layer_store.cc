// SPDX-License-Identifier: Apache-2.0
#include "meta/store/layer_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "meta/base/file.h"
#include "meta/base/regular_file.h"
#include "meta/layer/first_pass.h"
#include "meta/store/layer_facts.h"

namespace imgmount {
namespace {

constexpr size_t kChunk = 1 << 20;

// Whether making the derived file anew helps.
bool IsGoneOrDamaged(const Error& error) {
  return error.code() == ErrorCode::kNotFound ||
         error.code() == ErrorCode::kCorrupt ||
         error.code() == ErrorCode::kUnsupported;  // states of another ISA-L
}

// The first pass over the blob in the cache. The layer's lock is held.
Status Rebuild(const Cache& cache, const Descriptor& layer,
               const DiffId& diff_id) {
  auto blob = OpenRegularFile(cache.BlobPath(layer.digest));
  if (!blob) {
    if (blob.error().code() != ErrorCode::kNotFound) {
      return Failure(blob.error());
    }
    return Fail(ErrorCode::kNotFound,
                fmt::format("layer {} is not in the cache; pull the image",
                            layer.digest.short_hex()));
  }
  IMGMOUNT_TRY(const auto pass,
               FirstPass::Start({.digest = layer.digest,
                                 .size = layer.size,
                                 .diff_id = diff_id,
                                 .folder = cache.LayerFolder(layer.digest)}));
  std::vector<std::byte> chunk(kChunk);
  for (uint64_t offset = 0;;) {
    IMGMOUNT_TRY(const size_t n, ReadAt(blob->get(), chunk, offset));
    if (n == 0) break;
    pass->Write(std::span(chunk).first(n));
    offset += n;
  }
  auto finished = FinishPass(cache, *pass);
  if (finished) return {};
  return Failure(std::move(finished).error().In(
      "layer " + std::string(layer.digest.short_hex())));
}

// Nothing when the layer has never been indexed, or no longer is, or not hashed
// by the algorithm of this diff ID.
Result<std::optional<LayerFacts>> CheckedFacts(const Cache& cache,
                                               const Descriptor& layer,
                                               const DiffId& diff_id) {
  auto facts = LoadFacts(cache, layer.digest);
  if (!facts) {
    if (!IsGoneOrDamaged(facts.error())) return Failure(facts.error());
    return std::optional<LayerFacts>();
  }
  const auto hashed = facts->DiffIdBy(diff_id.algorithm());
  if (!hashed) return std::optional<LayerFacts>();
  if (*hashed != diff_id) {
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("layer {}: the config says diff ID {}, but it has {}",
                    layer.digest.short_hex(), diff_id.text(), hashed->text()));
  }
  return std::optional(*std::move(facts));
}

// Calls `open`. When a derived file is gone or damaged: once more under
// the layer's lock, in case somebody just made it, and then after making it.
template <typename Open>
auto OpenOrRebuild(const Cache& cache, const Descriptor& layer,
                   const DiffId& diff_id, const Open& open)
    -> decltype(open()) {
  std::optional<FileLock> lock;
  while (true) {
    IMGMOUNT_TRY(const auto facts, CheckedFacts(cache, layer, diff_id));
    if (facts) {
      auto opened = open();
      if (opened || !IsGoneOrDamaged(opened.error())) return opened;
    }
    if (lock) break;
    IMGMOUNT_TRY(lock, cache.LockLayer(layer.digest));
  }
  IMGMOUNT_CHECK(Rebuild(cache, layer, diff_id));
  return open();
}

// Makes sure that the layer has been indexed and has this diff ID.
Status Verify(const Cache& cache, const Descriptor& layer,
              const DiffId& diff_id) {
  return OpenOrRebuild(cache, layer, diff_id, [] { return Status(); });
}

Result<std::unique_ptr<UnionTree>> MergeLayers(const Cache& cache,
                                               const Image& image,
                                               size_t layer_count,
                                               const std::string& key) {
  const auto path = cache.TreePath(key);
  std::vector<LayerIndex> indexes;
  for (size_t i = 0; i < layer_count; ++i) {
    IMGMOUNT_TRY(LayerIndex index, LoadIndex(cache, image.manifest.layers[i],
                                             image.config.diff_ids[i]));
    indexes.push_back(std::move(index));
  }
  std::vector<const LayerIndex*> pointers;
  for (const LayerIndex& index : indexes) pointers.push_back(&index);
  IMGMOUNT_CHECK(Merge(pointers, path, {.subject = key}));
  return UnionTree::Open(path, key);
}

}  // namespace

// The chain ID's digits; a name of its own for no layers at all.
std::string TreeKey(const Image& image, size_t layer_count) {
  std::optional<ChainId> chain;
  for (size_t i = 0; i < layer_count; ++i) {
    chain = ExtendChain(chain ? &*chain : nullptr, image.config.diff_ids[i]);
  }
  return chain ? std::string(chain->hex()) : "empty";
}

bool HasDerivedFiles(const Cache& cache, const Digest& layer) {
  const auto folder = cache.LayerFolder(layer);
  std::error_code ignored;
  return std::filesystem::exists(folder / kIndexFile, ignored) &&
         std::filesystem::exists(folder / kSpansFile, ignored) &&
         LoadFacts(cache, layer).has_value();
}

Result<LayerIndex> LoadIndex(const Cache& cache, const Descriptor& layer,
                             const DiffId& diff_id) {
  const auto path = cache.LayerFolder(layer.digest) / kIndexFile;
  return OpenOrRebuild(cache, layer, diff_id, [&] {
    return LayerIndex::Load(path, layer.digest.text());
  });
}

Result<OpenedLayer> OpenLayer(const Cache& cache, const Descriptor& layer,
                              const DiffId& diff_id) {
  const auto folder = cache.LayerFolder(layer.digest);
  return OpenOrRebuild(cache, layer, diff_id, [&]() -> Result<OpenedLayer> {
    OpenedLayer opened;
    opened.identity = layer.digest.text();
    IMGMOUNT_TRY(opened.blob, OpenBlobFile(cache.BlobPath(layer.digest)));
    if (opened.blob->size() != layer.size) {
      return Fail(ErrorCode::kCorrupt, "the blob has the wrong size");
    }
    IMGMOUNT_TRY(opened.spans, SpanTable::Open(folder / kSpansFile));
    if (opened.spans->needs_frames()) {
      IMGMOUNT_TRY(opened.frames, OpenBlobFile(folder / kFramesFile));
    }
    opened.discard = [folder] {
      ::unlink((folder / kSpansFile).c_str());
      ::unlink((folder / kFramesFile).c_str());
    };
    return opened;
  });
}

Status CutLayer(const Cache& cache, const Digest& layer,
                std::span<const TarRun> runs) {
  IMGMOUNT_TRY(const auto lock, cache.TryLockLayer(layer));
  if (!lock) return {};
  const auto path = cache.LayerFolder(layer) / kSpansFile;
  IMGMOUNT_TRY(const auto table, SpanTable::Open(path));
  const std::vector<uint64_t> cuts = WhereToCut(*table, runs);
  if (cuts.empty()) return {};
  IMGMOUNT_TRY(const auto blob, OpenBlobFile(cache.BlobPath(layer)));
  return CutSpans(*table, *blob, cuts, path);
}

Result<std::unique_ptr<UnionTree>> OpenTree(const Cache& cache,
                                            const Image& image,
                                            size_t layer_count) {
  // Before the tree of that chain ID is shown: it is about layers with these
  // diff IDs, and a config may claim any for its own.
  for (size_t i = 0; i < layer_count; ++i) {
    IMGMOUNT_CHECK(
        Verify(cache, image.manifest.layers[i], image.config.diff_ids[i]));
  }
  const std::string key = TreeKey(image, layer_count);
  const auto path = cache.TreePath(key);
  auto tree = UnionTree::Open(path, key);
  if (tree || !IsGoneOrDamaged(tree.error())) return tree;
  IMGMOUNT_TRY(const FileLock lock, cache.Lock("tree-" + key));
  tree = UnionTree::Open(path, key);
  if (tree || !IsGoneOrDamaged(tree.error())) return tree;
  return MergeLayers(cache, image, layer_count, key);
}

}  // namespace imgmount
