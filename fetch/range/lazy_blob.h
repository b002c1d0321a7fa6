// SPDX-License-Identifier: Apache-2.0
// LazyBlob: a blob whose bytes come when they are read.
//
// Bytes that are here are read from the partial file, others fetched into it
// first. Nothing of it is checked: whoever knows a digest of the bytes does
// that, and calls Refetch() when they are others. Errors name the layer.
// Thread-safe.
#ifndef IMGMOUNT_FETCH_RANGE_LAZY_BLOB_H_
#define IMGMOUNT_FETCH_RANGE_LAZY_BLOB_H_

#include <memory>

#include "fetch/range/range_fetcher.h"
#include "fetch/source/source.h"
#include "meta/image/manifest.h"
#include "meta/layer/blob_source.h"
#include "meta/partial/partial_blob.h"

namespace imgmount {

class LazyBlob : public BlobSource {
 public:
  // Fetcher and source outlive it.
  LazyBlob(RangeFetcher& fetcher, Source& source, const Descriptor& layer,
           std::shared_ptr<PartialBlob> bytes, RangeFetcherEvents events = {});
  ~LazyBlob() override;

  uint64_t size() const override { return bytes_->size(); }
  // kUnavailable when the bytes did not come in the fetcher's patience.
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) override;
  void WillNeed(uint64_t offset, uint64_t length) override;
  std::unique_ptr<BlobWait> Await(uint64_t offset, uint64_t length,
                                  const Arrived& arrived) override;
  bool Refetch(uint64_t offset, uint64_t length) override;
  bool IsHere(uint64_t offset, uint64_t length) const override;

  // Fetches all of it while nobody waits for anything, until the wait is
  // destroyed. Null: it is here. `arrived` as for Await(), but that the network
  // may be away for as long as it likes.
  std::unique_ptr<BlobWait> Fill(const Arrived& arrived);

  PartialBlob& bytes() { return *bytes_; }

 private:
  PieceRun PiecesIn(uint64_t offset, uint64_t length) const;
  Arrived Naming(const Arrived& arrived) const;

  RangeFetcher& fetcher_;
  const std::string name_;  // for messages
  const std::shared_ptr<PartialBlob> bytes_;
  const std::shared_ptr<RangeFetcher::Blob> blob_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_RANGE_LAZY_BLOB_H_
