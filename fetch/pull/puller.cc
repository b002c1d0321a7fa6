// SPDX-License-Identifier: Apache-2.0
#include "fetch/pull/puller.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "fetch/pull/layer_pull.h"
#include "fetch/range/range_fetcher.h"
#include "meta/base/mutex.h"
#include "meta/store/layer_facts.h"
#include "meta/store/layer_store.h"
#include "meta/store/use_lock.h"

namespace imgmount {
namespace {

using Step = PullObserver::Step;

// A document of the image: from the cache, or fetched and put there.
Result<std::string> Obtain(const Cache& cache, const Descriptor& descriptor,
                           size_t limit, const DocumentReader::Read& fetch) {
  if (auto cached = cache.ReadBlob(descriptor.digest, limit)) return cached;
  IMGMOUNT_TRY(std::string bytes, fetch(descriptor));
  IMGMOUNT_CHECK(cache.WriteBlob(bytes, descriptor.digest.algorithm()));
  return bytes;
}

bool IsComplete(const Cache& cache, const Descriptor& layer) {
  return cache.HasBlob(layer.digest) && HasDerivedFiles(cache, layer.digest);
}

bool IsNamed(const Cache& cache, const std::string& name,
             const Descriptor& published) {
  const auto descriptor = cache.FindName(name);
  return descriptor && descriptor->digest == published.digest;
}

// Whether the image is in the cache, by whatever name: with the same config,
// which gives an image its ID.
bool IsKnown(const Cache& cache, const ResolvedImage& resolved,
             const std::vector<Cache::IndexEntry>& names,
             const Platform& platform) {
  return std::any_of(names.begin(), names.end(), [&](const auto& it) {
    if (it.descriptor.digest == resolved.published.digest) return true;
    const auto image = cache.Load(it.descriptor, platform);
    return image && image->manifest.config.digest ==
                        resolved.image.manifest.config.digest;
  });
}

// Whether `name` has a digest, and a tag of its repository stands for the same:
// a pull of that tag has made the name known as well.
bool HasPulledTag(const std::string& name, const Descriptor& published,
                  const std::vector<Cache::IndexEntry>& names) {
  const auto wanted = Reference::Parse(name);
  if (!wanted || !wanted->digest) return false;
  return std::any_of(names.begin(), names.end(), [&](const auto& it) {
    const auto other = Reference::Parse(it.name);
    return other && other->registry == wanted->registry &&
           other->repository == wanted->repository &&
           it.descriptor.digest == published.digest;
  });
}

struct LayerJob {
  const Descriptor* layer;
  const DiffId* diff_id;
  bool operator==(const LayerJob&) const = default;
};

// Each distinct layer once, bottom first.
Result<std::vector<LayerJob>> DistinctLayers(const Image& image) {
  std::vector<LayerJob> jobs;
  std::map<Digest, const DiffId*> seen;
  for (size_t i = 0; i < image.manifest.layers.size(); ++i) {
    const Descriptor& layer = image.manifest.layers[i];
    const DiffId& diff_id = image.config.diff_ids[i];
    const auto [entry, is_new] = seen.emplace(layer.digest, &diff_id);
    if (is_new) {
      jobs.push_back({&layer, &diff_id});
    } else if (entry->second->algorithm() == diff_id.algorithm() &&
               *entry->second != diff_id) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("layer {} occurs twice in the manifest, with "
                              "different diff IDs in the config",
                              layer.digest.text()));
    }
  }
  return jobs;
}

// Runs jobs in order on a few threads; the first error stops the others.
class JobRunner {
 public:
  explicit JobRunner(const CancelFlag* cancel) : cancel_(cancel) {}

  bool stopped() const { return failed_ || (cancel_ != nullptr && *cancel_); }

  Status Run(size_t count, size_t threads,
             const std::function<Status(size_t)>& job) {
    const auto work = [&] {
      for (size_t i = next_++; i < count && !stopped(); i = next_++) {
        Record(RunJob(job, i));
      }
    };
    std::vector<std::thread> workers;
    for (size_t n = 0; n < std::min(count, threads); ++n) {
      workers.emplace_back(work);
    }
    for (std::thread& worker : workers) worker.join();
    const MutexLock lock(mutex_);
    if (error_) return Failure(*error_);
    if (stopped()) return Fail(ErrorCode::kCancelled, "interrupted");
    return {};
  }

 private:
  static Status RunJob(const std::function<Status(size_t)>& job, size_t i) {
    try {
      return job(i);
    } catch (const std::exception& exception) {
      return Fail(ErrorCode::kInternal, exception.what());
    }
  }

  void Record(Status status) {
    if (status) return;
    const MutexLock lock(mutex_);
    if (!error_) error_ = std::move(status).error();
    failed_ = true;
  }

  const CancelFlag* const cancel_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  Mutex mutex_;
  std::optional<Error> error_ GUARDED_BY(mutex_);  // the first
};

// Tells the observer how the pull begins, in Docker's order.
void NotifyOfStart(const std::vector<LayerJob>& jobs,
                   const std::vector<LayerJob>& missing, size_t threads,
                   PullObserver& observer) {
  const auto notify = [&](const LayerJob& job, Step step) {
    observer.OnLayer(job.layer->digest, step, 0, job.layer->size);
  };
  for (const LayerJob& job : jobs) {
    const bool there =
        std::find(missing.begin(), missing.end(), job) == missing.end();
    notify(job, there ? Step::kAlreadyExists : Step::kPullingFsLayer);
  }
  for (size_t i = threads; i < missing.size(); ++i) {
    notify(missing[i], Step::kWaiting);
  }
}

// Layers whose derived files this disk has spoilt, and the blobs to make them
// from as well: they count as missing now.
std::vector<LayerJob> TakeSpoilt(const Cache& cache,
                                 const std::vector<LayerJob>& jobs) {
  std::vector<LayerJob> spoilt;
  for (const LayerJob& job : jobs) {
    const Digest& digest = job.layer->digest;
    const auto facts = LoadFacts(cache, digest);
    // There the config is wrong, and stays so.
    if (facts && facts->diff_id != *job.diff_id) continue;
    const auto index = LoadIndex(cache, *job.layer, *job.diff_id);
    if (index || index.error().code() != ErrorCode::kCorrupt) continue;
    std::error_code ignored;
    std::filesystem::remove_all(cache.LayerFolder(digest), ignored);
    spoilt.push_back(job);
  }
  return spoilt;
}

// The documents may have been removed between resolving and the use lock.
Status RestoreDocuments(Source& source, const ResolvedImage& resolved,
                        const Cache& cache) {
  if (source.in_place()) return {};
  const Image& image = resolved.image;
  IMGMOUNT_CHECK(
      cache.WriteBlob(image.manifest_json, image.manifest_digest.algorithm()));
  IMGMOUNT_CHECK(cache.WriteBlob(image.config.json,
                                 image.manifest.config.digest.algorithm()));
  if (!image.index_digest || cache.HasBlob(*image.index_digest)) return {};
  if (!resolved.index_json.empty()) {
    IMGMOUNT_CHECK(
        cache.WriteBlob(resolved.index_json, image.index_digest->algorithm()));
    return {};
  }
  IMGMOUNT_TRY(const Source::Document index,
               source.FetchManifest(image.index_digest->text()));
  IMGMOUNT_CHECK(cache.WriteBlob(index.bytes, index.digest.algorithm()));
  return {};
}

Status Pull(Source& source, const ResolvedImage& resolved,
            const std::string& name, const Cache& cache,
            const PullOptions& options, PullObserver& observer) {
  const Image& image = resolved.image;
  for (const Descriptor& layer : image.manifest.layers) {
    IMGMOUNT_CHECK(CheckLayerMediaType(layer));
  }
  IMGMOUNT_TRY(std::vector<LayerJob> jobs, DistinctLayers(image));
  IMGMOUNT_TRY(const UseLock in_use, UseLock::Hold(cache, image));
  IMGMOUNT_CHECK(RestoreDocuments(source, resolved, cache));

  const bool named =
      source.in_place() || IsNamed(cache, name, resolved.published);
  std::erase_if(jobs, [&](const LayerJob& job) {
    return options.Leaves(job.layer->digest);
  });
  std::vector<LayerJob> missing;
  for (const LayerJob& job : jobs) {
    if (!IsComplete(cache, *job.layer)) missing.push_back(job);
  }
  const size_t threads =
      static_cast<size_t>(std::max(options.max_concurrent_downloads, 1));
  bool is_new = !missing.empty();
  bool shows_layers = !missing.empty();
  if (missing.empty() && !named) {
    IMGMOUNT_TRY(const auto names, cache.List());
    is_new = !HasPulledTag(name, resolved.published, names);
    shows_layers = !IsKnown(cache, resolved, names, options.platform);
  }
  if (is_new) observer.OnImage(image);
  if (shows_layers) NotifyOfStart(jobs, missing, threads, observer);

  const auto pull = [&](const std::vector<LayerJob>& these) {
    JobRunner runner(options.cancel);
    const size_t most =
        static_cast<size_t>(std::max(options.max_connections_per_layer, 1));
    // Whom to ask again, and how often, is the source's to say.
    RangeFetcher fetcher({.connections = threads * most,
                          .patience = std::chrono::milliseconds(0)});
    return runner.Run(these.size(), threads, [&](size_t i) -> Status {
      const Descriptor& layer = *these[i].layer;
      const size_t connections = layer.size < options.large_layer ? 1 : most;
      auto pulled =
          LayerPull(source, cache, fetcher, layer, *these[i].diff_id,
                    connections, observer, [&] { return runner.stopped(); })
              .Run();
      if (pulled) return {};
      return Failure(std::move(pulled).error().In(
          "layer " + std::string(layer.digest.short_hex())));
    });
  };
  IMGMOUNT_CHECK(pull(missing));
  if (!options.leave.empty()) {
    return named ? Status() : cache.SetName(name, resolved.published);
  }
  // Here, so that the first mount is as quick as any.
  auto tree = OpenTree(cache, image, image.manifest.layers.size());
  if (!tree && tree.error().code() == ErrorCode::kCorrupt &&
      !source.in_place()) {
    const std::vector<LayerJob> spoilt = TakeSpoilt(cache, jobs);
    if (spoilt.empty()) return Failure(std::move(tree).error());
    if (!is_new) observer.OnImage(image);
    NotifyOfStart(jobs, spoilt, threads, observer);
    IMGMOUNT_CHECK(pull(spoilt));
    tree = OpenTree(cache, image, image.manifest.layers.size());
  }
  if (!tree) return Failure(std::move(tree).error());
  if (named) return {};
  return cache.SetName(name, resolved.published);
}

}  // namespace

DocumentReader ReaderOf(Source& source, const Cache& cache) {
  const auto fetch_manifest =
      [&](const Descriptor& descriptor) -> Result<std::string> {
    IMGMOUNT_TRY(Source::Document manifest,
                 source.FetchManifest(descriptor.digest.text()));
    return std::move(manifest.bytes);
  };
  const auto fetch_config =
      [&](const Descriptor& descriptor) -> Result<std::string> {
    auto config = source.FetchSmallBlob(descriptor);
    if (config) return config;
    return Failure(std::move(config).error().In(
        "config " + std::string(descriptor.digest.short_hex())));
  };
  return {.manifest =
              [&cache, fetch_manifest](const Descriptor& descriptor) {
                return Obtain(cache, descriptor, kMaxManifestBytes,
                              fetch_manifest);
              },
          .config =
              [&cache, fetch_config](const Descriptor& descriptor) {
                return Obtain(cache, descriptor, kMaxConfigBytes, fetch_config);
              }};
}

Result<ResolvedImage> Resolve(Source& source, Source::Document document,
                              const Cache& cache, const Platform& platform) {
  // A layout has it already, or it is an index of several of its entries.
  if (!source.in_place()) {
    IMGMOUNT_CHECK(
        cache.WriteBlob(document.bytes, document.digest.algorithm()));
  }
  const DocumentReader reader = ReaderOf(source, cache);
  IMGMOUNT_TRY(Image image, SelectImage(document, platform, reader));
  Descriptor published{.media_type = image.manifest.media_type,
                       .digest = document.digest,
                       .size = document.bytes.size()};
  if (!image.index_digest) {
    return ResolvedImage{std::move(image), std::move(published)};
  }
  IMGMOUNT_TRY(const auto index,
               ParseManifestOrIndex(document.bytes, document.media_type));
  published.media_type = std::get<Index>(index).media_type;
  return ResolvedImage{std::move(image), std::move(published),
                       std::move(document.bytes)};
}

Status PullLayers(Source& source, const ResolvedImage& resolved,
                  const std::string& name, const Cache& cache,
                  const PullOptions& options, PullObserver& observer) {
  auto pulled = Pull(source, resolved, name, cache, options, observer);
  if (!pulled) return Failure(std::move(pulled).error().In(name));
  return pulled;
}

}  // namespace imgmount
