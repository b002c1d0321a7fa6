// SPDX-License-Identifier: Apache-2.0
// LazyBlobs: the blobs of one image that come when they are read, with the
// connections that they come over.
//
// Nothing is opened before the first blob is: a process that serves a mount is
// forked, and connections, threads and claims on pieces must be its own.
// Thread-safe. Blobs keep it.
#ifndef IMGMOUNT_FETCH_LAZY_LAZY_BLOBS_H_
#define IMGMOUNT_FETCH_LAZY_LAZY_BLOBS_H_

#include <functional>
#include <memory>
#include <optional>

#include "fetch/range/lazy_blob.h"
#include "fetch/range/range_fetcher.h"
#include "fetch/source/source.h"
#include "meta/base/mutex.h"
#include "meta/base/result.h"
#include "meta/image/manifest.h"
#include "meta/store/cache.h"

namespace imgmount {

class LazyBlobs : public std::enable_shared_from_this<LazyBlobs> {
 public:
  // Makes a source with connections of its own, and logs in anew.
  using OpenSource = std::function<Result<std::shared_ptr<Source>>()>;
  static std::shared_ptr<LazyBlobs> Make(OpenSource open,
                                         RangeFetcherOptions options) {
    return std::shared_ptr<LazyBlobs>(
        new LazyBlobs(std::move(open), std::move(options)));
  }

  // The layer's partial blob in the cache, made if it is missing. kNotFound:
  // the whole blob is here.
  Result<std::shared_ptr<LazyBlob>> Open(const Cache& cache,
                                         const Descriptor& layer,
                                         RangeFetcherEvents events = {});

 private:
  LazyBlobs(OpenSource open, RangeFetcherOptions options)
      : open_(std::move(open)), options_(options) {}
  Status Connect() REQUIRES(mutex_);

  const OpenSource open_;
  const RangeFetcherOptions options_;
  Mutex mutex_;
  // Set once; outlives the fetcher.
  std::shared_ptr<Source> source_ GUARDED_BY(mutex_);
  std::unique_ptr<RangeFetcher> fetcher_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_LAZY_LAZY_BLOBS_H_
