// SPDX-License-Identifier: Apache-2.0
// TarOutput: where a decoder puts a layer's uncompressed tar; who reads it gets
// it in pieces. Also the place where a bomb is noticed. One thread writes.
#ifndef IMGMOUNT_META_LAYER_TAR_OUTPUT_H_
#define IMGMOUNT_META_LAYER_TAR_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "meta/base/result.h"
#include "meta/layer/piece.h"

namespace imgmount {

class TarOutput {
 public:
  // `limit` tells how many bytes may come; it is asked again as they do.
  TarOutput(BufferPool& pool, std::vector<PieceQueue*> readers,
            std::function<uint64_t()> limit)
      : pool_(pool), readers_(std::move(readers)), limit_(std::move(limit)) {}

  // Free space of at least one byte, to decode to. kCancelled when the pass
  // is being abandoned.
  Result<std::span<std::byte>> Room();
  // `size` bytes at the front of Room() are decoded.
  Status Commit(size_t size);
  // Bytes that need no decoding, as they came.
  Status Pass(const Piece& piece);
  // All is decoded: hands out the rest, and tells the readers.
  void Close();

  uint64_t size() const { return size_; }

 private:
  Status Count(size_t size);
  void Send();

  BufferPool& pool_;
  std::vector<PieceQueue*> readers_;
  std::function<uint64_t()> limit_;
  uint64_t size_ = 0;
  Buffer buffer_;
  size_t used_ = 0;  // of buffer_
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_TAR_OUTPUT_H_
