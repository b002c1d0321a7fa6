// Pulling: from a reference to verified blobs and derived files in the cache.
//
// fetch is how bytes arrive. A Source answers for manifests and blobs (a
// registry, an image layout, later an archive or a daemon); Pull() runs layers
// in parallel through their first pass into the cache, and reports progress.
#ifndef IMGMOUNT_FETCH_PULLER_H_
#define IMGMOUNT_FETCH_PULLER_H_

#include <atomic>
#include <span>
#include <string>

#include "meta/base/result.h"
#include "meta/image/image.h"
#include "meta/image/manifest.h"
#include "meta/image/platform.h"
#include "meta/image/reference.h"
#include "meta/store/cache.h"

namespace imgmount {

// Set by a signal handler; long calls look at it and end with kCancelled.
using CancelFlag = std::atomic<bool>;

// Who asked for a blob, and what becomes of it.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  virtual Status Write(std::span<const std::byte> bytes) = 0;
  // Called for every second of a wait before another try.
  virtual void OnRetryIn(int /*seconds*/) {}
  // Looked at while nothing arrives; true ends the transfer with kCancelled.
  virtual bool stopped() const { return false; }
};

struct ResolvedImage;

// Where an image comes from. Thread-safe.
class Source {
 public:
  virtual ~Source() = default;

  struct Document {
    std::string bytes;
    std::string media_type;
    Digest digest;  // verified against bytes
  };
  // The manifest or index that the reference names (its tag or digest).
  virtual Result<Document> FetchManifest(const std::string& selector) = 0;
  // Whether the reference still names what is known of it, when that costs less
  // than FetchManifest(); false when only FetchManifest() can tell.
  virtual Result<bool> StillNames(const std::string& /*selector*/,
                                  const ResolvedImage& /*known*/) {
    return false;
  }
  // A small blob (a config), verified. Errors of blobs do not name them.
  virtual Result<std::string> FetchSmallBlob(const Descriptor& descriptor) = 0;
  // A blob from `offset` on, pushed to `sink` in order. The sink's error ends
  // the transfer and is returned. Not verified: the caller hashes.
  virtual Status FetchBlob(const Descriptor& descriptor, uint64_t offset,
                           BlobSink& sink) = 0;
  // Blobs are read where they lie and never copied into the cache (oci:DIR).
  virtual bool in_place() const { return false; }
};

// What a progress display is told; called from several threads.
class PullObserver {
 public:
  enum class Step {
    kPullingFsLayer,
    kWaiting,
    kDownloading,  // with done/total bytes
    kVerifyingChecksum,
    kDownloadComplete,
    kExtracting,  // a cached blob is being indexed
    kPullComplete,
    kAlreadyExists,
    kRetrying,  // done = seconds
  };
  virtual ~PullObserver() = default;
  virtual void OnImage(const Image& image) = 0;  // before any layer
  // Not called at all for an image that is complete already, as Docker.
  virtual void OnLayer(const Digest& layer, Step step, uint64_t done,
                       uint64_t total) = 0;
};

struct PullOptions {
  Platform platform = Platform::OfThisMachine();
  int max_concurrent_downloads = 3;
  const CancelFlag* cancel = nullptr;  // may be null
};

// Resolves `top`, the source's document, to the platform's image: manifest and
// config, stored in the cache as blobs; no layers. The index, if any, is stored
// too.
struct ResolvedImage {
  Image image;
  Descriptor published;  // of what the reference named
};
Result<ResolvedImage> Resolve(Source& source, Source::Document top,
                              const Cache& cache, const Platform& platform);

// Downloads and indexes the layers that are missing, makes the merged tree,
// and points `name` at the image.
Status PullLayers(Source& source, const ResolvedImage& resolved,
                  const std::string& name, const Cache& cache,
                  const PullOptions& options, PullObserver& observer);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PULLER_H_
