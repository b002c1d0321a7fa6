// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/tar_output.h"

#include <fmt/format.h>

#include <utility>

namespace imgmount {

Result<std::span<std::byte>> TarOutput::Room() {
  if (!buffer_) {
    buffer_ = pool_.Take();
    used_ = 0;
    if (!buffer_) return Fail(ErrorCode::kCancelled, "abandoned");
  }
  return std::span(buffer_.get(), pool_.buffer_bytes()).subspan(used_);
}

Status TarOutput::Commit(size_t size) {
  used_ += size;
  if (used_ == pool_.buffer_bytes()) Send();
  return Count(size);
}

Status TarOutput::Pass(const Piece& piece) {
  for (PieceQueue* reader : readers_) reader->Push(piece);
  return Count(piece.bytes.size());
}

void TarOutput::Close() {
  Send();
  for (PieceQueue* reader : readers_) reader->Close();
}

Status TarOutput::Count(size_t size) {
  size_ += size;
  if (const uint64_t limit = limit_(); size_ > limit) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("unpacks to more than {} bytes, which is far more "
                            "than a layer of this size can need",
                            limit));
  }
  return {};
}

void TarOutput::Send() {
  if (buffer_ && used_ > 0) {
    const Piece piece = {buffer_, std::span(buffer_.get(), used_)};
    for (PieceQueue* reader : readers_) reader->Push(piece);
  }
  buffer_.reset();
}

}  // namespace imgmount
