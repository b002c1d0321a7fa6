// SPDX-License-Identifier: Apache-2.0
// PieceSink: puts what a transfer brings into a partial blob, piece by piece.
//
// It stores the pieces that it has claimed. When more comes than was asked for
// (a server that knows no ranges sends the whole blob) it claims of that what
// nobody else is at work on: what is on its way anyway need not come again.
// Used by one thread.
#ifndef IMGMOUNT_FETCH_RANGE_PIECE_SINK_H_
#define IMGMOUNT_FETCH_RANGE_PIECE_SINK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fetch/source/source.h"
#include "meta/base/result.h"
#include "meta/partial/partial_blob.h"

namespace imgmount {

// Who sent for the pieces.
class PieceReceiver {
 public:
  virtual ~PieceReceiver() = default;
  // An answer begins that has these pieces; `is_more`: than were asked for. An
  // error refuses it.
  virtual Status OnAnswer(PieceRun run, bool is_more) = 0;
  // The first byte of the piece has come, whether it was asked for or not. May
  // block.
  virtual Status OnReached(uint64_t piece) = 0;
  // So many bytes of it are here now, and the claim on it has ended.
  virtual void OnStored(uint64_t piece, uint64_t bytes) = 0;
  // See BlobSink.
  virtual void OnRetryIn(int seconds) = 0;
  virtual void OnNotice(const std::string& text) = 0;
  virtual bool stopped() const = 0;
};

class PieceSink : public RangeSink {
 public:
  // Blob and receiver outlive it.
  PieceSink(PartialBlob& blob, PartialBlob::Claim claim,
            PieceReceiver& receiver);

  Status Begin(uint64_t first, uint64_t end) override;
  Status Write(std::span<const std::byte> bytes) override;
  void OnRetryIn(int seconds) override { receiver_.OnRetryIn(seconds); }
  void OnNotice(const std::string& text) override { receiver_.OnNotice(text); }
  bool stopped() const override { return receiver_.stopped(); }

  // The part of the first claim that is not here yet.
  PieceRun missing() const { return asked_.run(); }

 private:
  Status ClaimMore(PieceRun run);
  Status Store(uint64_t piece);

  PartialBlob& blob_;
  PieceReceiver& receiver_;
  PartialBlob::Claim asked_;
  std::vector<PartialBlob::Claim> more_;  // in order
  uint64_t position_ = 0;                 // of the next byte
  // The piece at `position_`, from its beginning on; empty where that did
  // not come.
  std::vector<std::byte> piece_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_RANGE_PIECE_SINK_H_
