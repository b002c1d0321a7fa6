// SPDX-License-Identifier: Apache-2.0
#include "fetch/lazy/lazy_image.h"

#include <atomic>
#include <exception>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "fetch/find/pull_image.h"
#include "fetch/lazy/toc_layer.h"
#include "meta/base/mutex.h"
#include "meta/base/quiet_thread.h"

namespace imgmount {
namespace {

// Indexes layers by their TOCs, each on a thread of its own: they wait for the
// network more than they compute.
class TocIndexing {
 public:
  TocIndexing(const NamedImage& named, std::vector<Descriptor> layers,
              const RangeFetcherOptions& options)
      : named_(named), layers_(std::move(layers)) {
    if (layers_.empty()) return;
    blobs_ = LazyBlobs::Make(
        // The caller keeps it until this ends.
        [&named] {
          return std::shared_ptr<Source>(std::shared_ptr<void>(),
                                         named.source.get());
        },
        options);
    for (const Descriptor& layer : layers_) {
      threads_.push_back(StartQuietThread([this, &layer] { Index(layer); }));
    }
  }
  ~TocIndexing() { Join(); }

  // Waits for all. The layers that have to be pulled as a whole.
  Result<std::set<Digest>> Finish() {
    Join();
    const MutexLock lock(mutex_);
    if (error_) return Failure(*error_);
    return std::move(failed_);
  }

 private:
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  void Index(const Descriptor& layer) {
    const Status status = TryIndex(layer);
    if (status) return;
    const MutexLock lock(mutex_);
    const ErrorCode code = status.error().code();
    if (code == ErrorCode::kUnsupported || code == ErrorCode::kCorrupt) {
      failed_.insert(layer.digest);
    } else if (!error_) {
      error_ =
          status.error().In("layer " + std::string(layer.digest.short_hex()));
    }
  }

  Status TryIndex(const Descriptor& layer) {
    try {
      const auto toc = TocLayer::Find(named_.cache, layer);
      IMGMOUNT_TRY(
          const auto blob,
          blobs_->Open(named_.cache, layer,
                       {.stopped = StoppedBy(named_.pull_options.cancel)}));
      return toc->MakeIndex(*blob);
    } catch (const std::exception& exception) {
      return Fail(ErrorCode::kInternal, exception.what());
    }
  }

  const NamedImage& named_;
  const std::vector<Descriptor> layers_;
  std::shared_ptr<LazyBlobs> blobs_;
  std::vector<std::thread> threads_;
  Mutex mutex_;
  std::set<Digest> failed_ GUARDED_BY(mutex_);
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace

Result<std::shared_ptr<const LazyLayers>> PullLazily(
    NamedImage& named, const ResolvedImage& resolved, const std::string& text,
    const LazyBlobs::OpenSource& open, const RangeFetcherOptions& options,
    PullProgress& progress) {
  const Image& image = resolved.image;
  std::set<Digest> lazy;
  std::vector<Descriptor> to_index;
  for (size_t i = 0; i < image.manifest.layers.size(); ++i) {
    const Descriptor& layer = image.manifest.layers[i];
    const LayerState state =
        StateOf(named.cache, layer, image.config.diff_ids[i]);
    if (state != LayerState::kEvicted && state != LayerState::kByToc) continue;
    if (!lazy.insert(layer.digest).second) continue;
    if (state == LayerState::kEvicted) continue;
    if (!TocLayer::Find(named.cache, layer)->IsIndexed()) {
      to_index.push_back(layer);
    }
  }
  if (lazy.empty() || !named.reference) {
    IMGMOUNT_CHECK(PullMissing(named, resolved, text, progress));
    return nullptr;
  }
  TocIndexing indexing(named, std::move(to_index), options);
  named.pull_options.leave.assign(lazy.begin(), lazy.end());
  IMGMOUNT_CHECK(PullMissing(named, resolved, text, progress));
  IMGMOUNT_TRY(const std::set<Digest> failed, indexing.Finish());
  if (!failed.empty()) {
    std::erase_if(named.pull_options.leave,
                  [&](const Digest& layer) { return failed.contains(layer); });
    IMGMOUNT_CHECK(PullMissing(named, resolved, text, progress));
  }
  if (named.pull_options.leave.empty()) return nullptr;
  return std::make_shared<LazyLayers>(named.cache, image,
                                      LazyBlobs::Make(open, options));
}

}  // namespace imgmount
