// SPDX-License-Identifier: Apache-2.0
// Pulling: from a reference to verified blobs and derived files in the cache.
//
// Layers run in parallel through their first pass into the cache, and what
// happens is reported to a PullObserver.
#ifndef IMGMOUNT_FETCH_PULL_PULLER_H_
#define IMGMOUNT_FETCH_PULL_PULLER_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "fetch/source/pull_observer.h"
#include "fetch/source/source.h"
#include "meta/base/cancel_flag.h"
#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/image/platform.h"
#include "meta/store/cache.h"

namespace imgmount {

struct PullOptions {
  Platform platform = Platform::OfThisMachine();  // as for Resolve()
  int max_concurrent_downloads = 3;               // layers
  int max_connections_per_layer = 4;
  // Smaller layers come over one connection.
  uint64_t large_layer = 32 << 20;
  const CancelFlag* cancel = nullptr;  // may be null
  // Layers that are left where they are, as whoever reads them fetches them;
  // where there are any no tree is made.
  std::vector<Digest> leave = {};
  bool Leaves(const Digest& layer) const {
    return std::find(leave.begin(), leave.end(), layer) != leave.end();
  }
};

// An image's documents, from the cache, else from the source into the cache;
// refers to both.
DocumentReader ReaderOf(Source& source, const Cache& cache);

// Resolves `top`, the source's document, to the platform's image: manifest and
// config, stored in the cache as blobs; no layers. The index, if any, is stored
// too.
Result<ResolvedImage> Resolve(Source& source, Source::Document top,
                              const Cache& cache, const Platform& platform);

// Downloads and indexes the layers that are missing, makes the merged tree,
// and points `name` at the image.
Status PullLayers(Source& source, const ResolvedImage& resolved,
                  const std::string& name, const Cache& cache,
                  const PullOptions& options, PullObserver& observer);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PULL_PULLER_H_
