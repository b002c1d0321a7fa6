// SPDX-License-Identifier: Apache-2.0
#include "fetch/lazy/lazy_blobs.h"

#include <string>
#include <utility>

#include "meta/partial/partial_blob.h"

namespace imgmount {
namespace {

// Only who has the layer's lock may make a partial blob. A pull that has it
// made one long ago.
Result<std::shared_ptr<PartialBlob>> OpenPartial(const Cache& cache,
                                                 const Descriptor& layer) {
  const auto path = cache.PartialPath(layer.digest);
  auto existing =
      PartialBlob::Open(path, layer.size, PartialBlob::Mode::kExisting);
  if (existing || existing.error().code() != ErrorCode::kNotFound) {
    return existing;
  }
  IMGMOUNT_TRY(const FileLock lock, cache.LockLayer(layer.digest));
  if (cache.HasBlob(layer.digest)) {
    return Fail(ErrorCode::kNotFound, "the whole layer is in the cache");
  }
  return PartialBlob::Open(path, layer.size, PartialBlob::Mode::kMake);
}

}  // namespace

Status LazyBlobs::Connect() {
  if (fetcher_) return {};
  IMGMOUNT_TRY(source_, open_());
  fetcher_ = std::make_unique<RangeFetcher>(options_);
  return {};
}

Result<std::shared_ptr<LazyBlob>> LazyBlobs::Open(const Cache& cache,
                                                  const Descriptor& layer,
                                                  RangeFetcherEvents events) {
  const MutexLock lock(mutex_);
  IMGMOUNT_CHECK(Connect());
  IMGMOUNT_TRY(auto bytes, OpenPartial(cache, layer));
  // The blob, and with it these connections, live as long as it is used.
  auto blob = std::make_unique<LazyBlob>(*fetcher_, *source_, layer,
                                         std::move(bytes), std::move(events));
  return std::shared_ptr<LazyBlob>(
      blob.release(), [keep = shared_from_this()](LazyBlob* p) { delete p; });
}

}  // namespace imgmount
