// SPDX-License-Identifier: Apache-2.0
// BlobTransfer: one blob, or a range of it, on its way from whichever server
// sends it, in as many attempts as it takes.
//
// It knows how far the blob has come, asks for the rest by a Range header, and
// makes of any answer (the range, the whole, another range) what the sink
// needs: the next byte, once. Who refuses a range is asked for the whole blob
// at once, and so is at last who never answers one: what an earlier run has
// left must not be in the way of a download that would work without it. Whoever
// wanted a range alone is given all of what comes in its place.
//
// A Content-Encoding may be one that the server made on its way, or a property
// that storage keeps of what was published in that form. The length tells
// which: what has the blob's size is the blob.
#ifndef IMGMOUNT_FETCH_REGISTRY_BLOB_TRANSFER_H_
#define IMGMOUNT_FETCH_REGISTRY_BLOB_TRANSFER_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fetch/http/http_client.h"
#include "fetch/source/source.h"
#include "meta/image/manifest.h"

namespace imgmount {

class BlobTransfer : public HttpBody {
 public:
  // Both outlive it. `offset` bytes are there already.
  BlobTransfer(const Descriptor& blob, uint64_t offset, BlobSink& sink)
      : blob_(blob), end_(blob.size), sink_(sink), position_(offset) {}
  // Bytes [first, end) are wanted.
  BlobTransfer(const Descriptor& blob, uint64_t first, uint64_t end,
               RangeSink& sink)
      : blob_(blob),
        end_(std::min(end, blob.size)),
        sink_(sink),
        range_sink_(&sink),
        position_(first) {}

  // Sends a request with these headers, with its coding undone or not, whose
  // success is streamed into the transfer; any other answer is an error.
  using Send = std::function<Attempt<HttpResponse>(
      const std::vector<std::string>& headers, bool decode)>;
  // One attempt at what is missing; kTransient when bytes are missing still.
  Attempt<void> Run(const Send& send);

  bool done() const { return position_ >= end_; }
  // The offset of the first byte that is missing.
  uint64_t position() const { return position_; }

  Attempt<void> Begin(const HttpResponse& response) override;
  Attempt<void> Write(std::span<const std::byte> bytes) override;

 private:
  bool wants_range() const {
    const bool wants_all = position_ == 0 && end_ == blob_.size;
    return !wants_all && position_ != refused_at_ && !decode_;
  }
  std::string RangeHeader() const;
  Attempt<void> SendOnce(const Send& send);
  // Refuses the answer; another way of asking was chosen.
  Attempt<void> AskAnew(const HttpResponse& response, const std::string& why);
  Attempt<void> CheckSize(const std::string& server, uint64_t size) const;
  Attempt<void> BeginWhole(const HttpResponse& response,
                           const std::string& coding);
  // The answer has bytes [first, last], of which the sink is given those from
  // `given` on.
  Attempt<void> Expect(uint64_t first, uint64_t given, uint64_t last);

  const Descriptor& blob_;
  const uint64_t end_;
  BlobSink& sink_;
  RangeSink* const range_sink_ = nullptr;  // the same, or null
  uint64_t position_;
  uint64_t skip_ = 0;        // bytes of this answer that are there already
  uint64_t next_ = 0;        // of the blob, that the sink is given next
  uint64_t answer_end_ = 0;  // of the blob
  // Where a range is asked for no more; from the next byte on it is again.
  std::optional<uint64_t> refused_at_;
  int fruitless_ranges_ = 0;  // in a row, that brought no byte
  bool decode_ = false;
  bool ask_anew_ = false;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_REGISTRY_BLOB_TRANSFER_H_
