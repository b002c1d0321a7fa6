// SPDX-License-Identifier: Apache-2.0
// BlobTransfer: one blob on its way from whichever server sends it, in as many
// attempts as it takes.
//
// It knows how far the blob has come, asks for the rest by a Range header, and
// makes of any answer (the range, the whole, another range) what the sink
// needs: the next byte, once.
#ifndef IMGMOUNT_FETCH_REGISTRY_BLOB_TRANSFER_H_
#define IMGMOUNT_FETCH_REGISTRY_BLOB_TRANSFER_H_

#include <cstdint>
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
      : blob_(blob), sink_(sink), position_(offset) {}

  // What the next request has to say.
  std::vector<std::string> RequestHeaders() const;
  bool done() const { return position_ == blob_.size; }
  uint64_t position() const { return position_; }

  Attempt<void> Begin(const HttpResponse& response) override;
  Attempt<void> Write(std::span<const std::byte> bytes) override;
  // After a request that ended well: kTransient when bytes are missing.
  Attempt<void> CheckComplete(const std::string& server) const;

 private:
  Attempt<void> CheckSize(const std::string& server, uint64_t size) const;

  const Descriptor& blob_;
  BlobSink& sink_;
  uint64_t position_;
  uint64_t skip_ = 0;      // bytes of this answer that are there already
  bool use_range_ = true;  // until a server turns out not to know how
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_REGISTRY_BLOB_TRANSFER_H_
