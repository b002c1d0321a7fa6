// SPDX-License-Identifier: Apache-2.0
// LayerPull: one layer on its way into the cache.
//
// Its pieces come into a partial blob, over one or several connections, and
// whoever mounts the layer meanwhile fetches others. The first pass reads them
// from the front on, as far as they are here without a gap, and claims what it
// has read, so that nobody changes it any more; blob and derived files get
// their names when everything about them was right. What has arrived outlives a
// failure, and the next pull fetches the rest: the old bytes pass through the
// first pass again, which checks them. What an earlier run or the disk has left
// never stands in the way for good: what is wrong, or cannot be read back, is
// removed and comes again.
#ifndef IMGMOUNT_FETCH_PULL_LAYER_PULL_H_
#define IMGMOUNT_FETCH_PULL_LAYER_PULL_H_

#include <cstddef>
#include <functional>
#include <memory>

#include "fetch/range/range_fetcher.h"
#include "fetch/source/pull_observer.h"
#include "fetch/source/source.h"
#include "meta/base/digest.h"
#include "meta/image/manifest.h"
#include "meta/layer/first_pass.h"
#include "meta/partial/partial_blob.h"
#include "meta/store/cache.h"

namespace imgmount {

class LayerPull {
 public:
  // All outlive it; source, observer and what `stopped` refers to outlive the
  // fetcher.
  LayerPull(Source& source, const Cache& cache, RangeFetcher& fetcher,
            const Descriptor& layer, const DiffId& diff_id, size_t connections,
            PullObserver& observer, std::function<bool()> stopped);

  // Waits for other processes that pull the same layer.
  Status Run();

 private:
  class News;
  class Reader;

  // Waits until no other process pulls this layer.
  Result<FileLock> LockLayer();
  Result<std::unique_ptr<FirstPass>> StartPass() const;
  Status IndexCachedBlob();
  // `was_begun`: there were pieces that this has not fetched.
  Status Download(bool& was_begun);
  Status Transfer(const std::shared_ptr<PartialBlob>& blob, Reader& reader,
                  FirstPass& pass);
  RangeFetcher::Events EventsFor(const std::shared_ptr<News>& news);
  Status Fetch(const std::shared_ptr<RangeFetcher::Blob>& fetched,
               const PartialBlob& blob, const std::shared_ptr<News>& news,
               Reader& reader);
  Status FeedFile(int fd, uint64_t size, FirstPass& pass);
  // As if its bytes were wrong, if another file will do better.
  Failure CannotReadBack(const Error& error) const;
  void Notify(PullObserver::Step step, uint64_t done = 0);

  Source& source_;
  const Cache& cache_;
  RangeFetcher& fetcher_;
  const Descriptor& layer_;
  const DiffId& diff_id_;
  const size_t connections_;
  PullObserver& observer_;
  const std::function<bool()> stopped_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PULL_LAYER_PULL_H_
