// SPDX-License-Identifier: Apache-2.0
#include "fetch/lazy/layer_completion.h"

#include <memory>
#include <utility>
#include <vector>

#include "meta/layer/first_pass.h"
#include "meta/store/layer_facts.h"
#include "meta/store/layer_store.h"
#include "meta/toc/toc_compare.h"

namespace imgmount {
namespace {

constexpr size_t kChunk = 512 << 10;

Status Feed(const PartialBlob& bytes, FirstPass& pass,
            const std::function<bool()>& stopped) {
  std::vector<std::byte> chunk(kChunk);
  for (uint64_t at = 0; at < bytes.size();) {
    if (stopped()) return Fail(ErrorCode::kCancelled, "interrupted");
    IMGMOUNT_TRY(const size_t n, bytes.Read(at, chunk));
    if (n == 0) break;
    pass.Write(std::span(chunk).first(n));
    at += n;
  }
  return {};
}

// Compares what the TOC gave with what the first pass over the layer gave.
Status CompareToc(const TocLayer& toc, const SpanTable& chunks,
                  const FirstPassResult& pass, const OpenedLayer& layer) {
  IMGMOUNT_TRY(const LayerIndex said, toc.LoadIndex());
  IMGMOUNT_CHECK(CompareTocWithTar(said, pass.index));
  IMGMOUNT_TRY(const auto holes,
               CompareChunks(said, chunks, pass.index, pass.starts));
  return CheckZeros(holes, *layer.spans, *layer.blob, layer.frames.get());
}

}  // namespace

Result<std::optional<std::string>> CompleteLayer(
    const Cache& cache, const Descriptor& layer, const DiffId& diff_id,
    const TocLayer* toc, PartialBlob& bytes,
    const std::function<bool()>& stopped) {
  const std::optional<std::string> nothing;
  IMGMOUNT_TRY(const auto lock, cache.TryLockLayer(layer.digest));
  if (!lock || cache.HasBlob(layer.digest)) return nothing;
  IMGMOUNT_TRY(const auto claim, bytes.ClaimAll(bytes.all()));
  if (!claim) return nothing;
  FirstPassOptions options{.digest = layer.digest,
                           .size = layer.size,
                           .diff_id = diff_id,
                           .folder = cache.LayerFolder(layer.digest)};
  std::unique_ptr<SpanTable> chunks;
  if (toc != nullptr) {
    IMGMOUNT_TRY(chunks, toc->OpenChunks());
    options.wanted_starts = StartsOf(*chunks);
  }
  IMGMOUNT_TRY(const auto pass, FirstPass::Start(std::move(options)));
  IMGMOUNT_CHECK(Feed(bytes, *pass, stopped));
  auto result = FinishPass(cache, *pass);
  if (!result) {
    if (result.error().code() == ErrorCode::kCorrupt) {
      IMGMOUNT_CHECK(bytes.Discard(*claim));
    }
    return Failure(std::move(result).error());
  }
  IMGMOUNT_CHECK(bytes.Publish(*claim, cache.BlobPath(layer.digest)));
  if (toc == nullptr) return nothing;
  IMGMOUNT_TRY(const OpenedLayer opened, OpenLayer(cache, layer, diff_id));
  const Status truth = CompareToc(*toc, *chunks, *result, opened);
  if (truth || truth.error().code() != ErrorCode::kCorrupt) {
    IMGMOUNT_CHECK(truth);
    return nothing;
  }
  IMGMOUNT_CHECK(toc->MarkWrong(truth.error().message()));
  return std::optional(truth.error().message());
}

}  // namespace imgmount
