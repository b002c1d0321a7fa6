// SPDX-License-Identifier: Apache-2.0
// BlobSource: the compressed bytes of one layer, wherever they are.
//
// A blob in the cache is a file; of a lazily mounted one some bytes are here
// and the others are fetched when they are read (fetch implements that).
// Implementations are thread-safe.
#ifndef IMGMOUNT_META_LAYER_BLOB_SOURCE_H_
#define IMGMOUNT_META_LAYER_BLOB_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "meta/base/result.h"

namespace imgmount {

// Somebody who waits for bytes of a blob. Destroying it ends the wait: no call
// begins any more, but one that has begun may still be running. May outlive the
// blob.
class BlobWait {
 public:
  virtual ~BlobWait() = default;
};

class BlobSource {
 public:
  virtual ~BlobSource() = default;
  // Bytes in the blob.
  virtual uint64_t size() const = 0;
  // Fills `out` from `offset`; short only at the end of the blob. Waits for
  // bytes that are not here.
  virtual Result<size_t> Read(uint64_t offset, std::span<std::byte> out) = 0;
  // A hint that [offset, offset+length) is wanted soon.
  virtual void WillNeed(uint64_t offset, uint64_t length) = 0;

  // Whether Read() would have to wait for the network. Null: it would not, and
  // `arrived` is not called. Otherwise `arrived` is called once, by another
  // thread and without locks held, as soon as Read() need not wait any more, or
  // with the error that it would give; it must not block.
  using Arrived = std::function<void(Status)>;
  virtual std::unique_ptr<BlobWait> Await(uint64_t /*offset*/,
                                          uint64_t /*length*/,
                                          const Arrived& /*arrived*/) {
    return nullptr;
  }
  // Whether they are at hand, without a wait for the network.
  virtual bool IsHere(uint64_t /*offset*/, uint64_t /*length*/) const {
    return true;
  }
  // These bytes are not what their digest says: the next Read() fetches them
  // again. False where they are all that there is.
  virtual bool Refetch(uint64_t /*offset*/, uint64_t /*length*/) {
    return false;
  }
};

// A blob that is a local file.
Result<std::unique_ptr<BlobSource>> OpenBlobFile(
    const std::filesystem::path& path);

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_BLOB_SOURCE_H_
