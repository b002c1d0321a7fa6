// SPDX-License-Identifier: Apache-2.0
#include "fetch/range/piece_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace imgmount {

PieceSink::PieceSink(PartialBlob& blob, PartialBlob::Claim claim,
                     PieceReceiver& receiver)
    : blob_(blob), receiver_(receiver), asked_(std::move(claim)) {
  piece_.reserve(kPieceBytes);
}

Status PieceSink::Begin(uint64_t first, uint64_t end) {
  if (first > end || end > blob_.size()) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("bytes up to {} of {}", end, blob_.size()));
  }
  // A broken transfer goes on in the middle of a piece.
  if (first != position_) piece_.clear();
  position_ = first;
  const PieceRun run = PiecesOf(first, end - first);
  const bool is_more = !asked_.run().Contains(run);
  more_.clear();
  IMGMOUNT_CHECK(receiver_.OnAnswer(run, is_more));
  return is_more ? ClaimMore(run) : Status();
}

Status PieceSink::ClaimMore(PieceRun run) {
  while (true) {
    IMGMOUNT_TRY(auto claim, blob_.ClaimMissing(run, run.count()));
    if (!claim) return {};
    run.first = claim->run().end;
    more_.push_back(*std::move(claim));
  }
}

Status PieceSink::Write(std::span<const std::byte> bytes) {
  if (bytes.size() > blob_.size() - position_) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("longer than the {} bytes its descriptor says",
                            blob_.size()));
  }
  while (!bytes.empty()) {
    const uint64_t piece = position_ / kPieceBytes;
    if (position_ % kPieceBytes == 0) {
      IMGMOUNT_CHECK(receiver_.OnReached(piece));
    }
    const uint64_t end = std::min((piece + 1) * kPieceBytes, blob_.size());
    const auto n =
        static_cast<size_t>(std::min<uint64_t>(bytes.size(), end - position_));
    const bool from_its_beginning =
        position_ == piece * kPieceBytes || !piece_.empty();
    if (from_its_beginning) {
      piece_.insert(piece_.end(), bytes.begin(),
                    bytes.begin() + static_cast<ptrdiff_t>(n));
    }
    bytes = bytes.subspan(n);
    position_ += n;
    if (position_ != end) continue;
    if (from_its_beginning) IMGMOUNT_CHECK(Store(piece));
    piece_.clear();
  }
  return {};
}

Status PieceSink::Store(uint64_t piece) {
  const auto store_by = [&](PartialBlob::Claim& claim) -> Status {
    IMGMOUNT_CHECK(blob_.Store(claim, piece, piece_));
    claim.DropBefore(piece + 1);
    receiver_.OnStored(piece, piece_.size());
    return {};
  };
  const auto has = [&](const PartialBlob::Claim& claim) {
    return claim.run().Contains({piece, piece + 1});
  };
  if (has(asked_)) return store_by(asked_);
  while (!more_.empty() && more_.front().run().end <= piece) {
    more_.erase(more_.begin());
  }
  if (!more_.empty() && has(more_.front())) return store_by(more_.front());
  // Whoever was at work on it may have given up.
  IMGMOUNT_TRY(auto claim, blob_.ClaimMissing({piece, piece + 1}, 1));
  return claim ? store_by(*claim) : Status();
}

}  // namespace imgmount
