// SPDX-License-Identifier: Apache-2.0
// LayerPull: one layer on its way into the cache.
//
// Bytes are written to a partial file and go through the first pass at the
// same time; blob and derived files get their names when everything about them
// was right. What has arrived outlives a failure, and the next pull goes on
// from there: the old bytes pass through the first pass again, which checks
// them. What an earlier run or the disk has left never stands in the way for
// good: what is wrong, or cannot be read back, is removed and comes again.
#ifndef IMGMOUNT_FETCH_PULL_LAYER_PULL_H_
#define IMGMOUNT_FETCH_PULL_LAYER_PULL_H_

#include <functional>

#include "fetch/source/pull_observer.h"
#include "fetch/source/source.h"
#include "meta/base/digest.h"
#include "meta/image/manifest.h"
#include "meta/layer/first_pass.h"
#include "meta/store/cache.h"

namespace imgmount {

class LayerPull {
 public:
  // All outlive it.
  LayerPull(Source& source, const Cache& cache, const Descriptor& layer,
            const DiffId& diff_id, PullObserver& observer,
            std::function<bool()> stopped);

  // Waits for other processes that pull the same layer.
  Status Run();

 private:
  class Receiver;

  // Waits until no other process pulls this layer.
  Result<FileLock> LockLayer();
  Result<std::unique_ptr<FirstPass>> StartPass() const;
  Status IndexCachedBlob();
  Status Download(bool may_resume);
  Status FeedFile(int fd, uint64_t size, FirstPass& pass,
                  const std::function<void(uint64_t)>& on_position);
  // As if its bytes were wrong, if another file will do better.
  Failure CannotReadBack(const Error& error) const;
  void Notify(PullObserver::Step step, uint64_t done = 0);

  Source& source_;
  const Cache& cache_;
  const Descriptor& layer_;
  const DiffId& diff_id_;
  PullObserver& observer_;
  const std::function<bool()> stopped_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PULL_LAYER_PULL_H_
