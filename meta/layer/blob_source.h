// SPDX-License-Identifier: Apache-2.0
// BlobSource: the compressed bytes of one layer, wherever they are.
//
// A blob in the cache is a file; a lazily mounted one answers from HTTP range
// requests (fetch implements that). Implementations are thread-safe.
#ifndef IMGMOUNT_META_LAYER_BLOB_SOURCE_H_
#define IMGMOUNT_META_LAYER_BLOB_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "meta/base/result.h"

namespace imgmount {

class BlobSource {
 public:
  virtual ~BlobSource() = default;
  // Bytes in the blob.
  virtual uint64_t size() const = 0;
  // Fills `out` from `offset`; short only at the end of the blob.
  virtual Result<size_t> Read(uint64_t offset, std::span<std::byte> out) = 0;
  // A hint that [offset, offset+length) is wanted soon.
  virtual void WillNeed(uint64_t offset, uint64_t length) = 0;
};

// A blob that is a local file.
Result<std::unique_ptr<BlobSource>> OpenBlobFile(
    const std::filesystem::path& path);

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_BLOB_SOURCE_H_
