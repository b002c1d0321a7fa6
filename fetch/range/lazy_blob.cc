// SPDX-License-Identifier: Apache-2.0
#include "fetch/range/lazy_blob.h"

#include <algorithm>
#include <future>

namespace imgmount {

using Priority = RangeFetcher::Priority;

LazyBlob::LazyBlob(RangeFetcher& fetcher, Source& source,
                   const Descriptor& layer, std::shared_ptr<PartialBlob> bytes,
                   RangeFetcherEvents events)
    : fetcher_(fetcher),
      name_("layer " + std::string(layer.digest.short_hex())),
      bytes_(std::move(bytes)),
      blob_(fetcher.Add(source, layer, bytes_, std::move(events))) {}

LazyBlob::~LazyBlob() { fetcher_.Remove(blob_); }

PieceRun LazyBlob::PiecesIn(uint64_t offset, uint64_t length) const {
  if (offset >= size()) return {};
  return PiecesOf(offset, std::min(length, size() - offset));
}

BlobSource::Arrived LazyBlob::Naming(const Arrived& arrived) const {
  return [arrived, name = name_](const Status& status) {
    arrived(status ? status : Failure(status.error().In(name)));
  };
}

std::unique_ptr<BlobWait> LazyBlob::Await(uint64_t offset, uint64_t length,
                                          const Arrived& arrived) {
  return fetcher_.Await(blob_, PiecesIn(offset, length), Priority::kRead,
                        Naming(arrived));
}

std::unique_ptr<BlobWait> LazyBlob::Fill(const Arrived& arrived) {
  return fetcher_.Await(blob_, bytes_->all(), Priority::kFill, Naming(arrived));
}

Result<size_t> LazyBlob::Read(uint64_t offset, std::span<std::byte> out) {
  const auto promise = std::make_shared<std::promise<Status>>();
  const auto wait = Await(offset, out.size(), [promise](const Status& status) {
    promise->set_value(status);
  });
  if (wait) IMGMOUNT_CHECK(promise->get_future().get());
  return bytes_->Read(offset, out);
}

void LazyBlob::WillNeed(uint64_t offset, uint64_t length) {
  fetcher_.Prefetch(blob_, PiecesIn(offset, length));
}

bool LazyBlob::Refetch(uint64_t offset, uint64_t length) {
  const auto invalidated = bytes_->Invalidate(PiecesIn(offset, length));
  return invalidated && *invalidated;
}

bool LazyBlob::IsHere(uint64_t offset, uint64_t length) const {
  const auto missing = bytes_->FirstMissing(PiecesIn(offset, length), 1);
  return missing && missing->empty();
}

}  // namespace imgmount
