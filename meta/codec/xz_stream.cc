// SPDX-License-Identifier: Apache-2.0
#include "meta/codec/xz_stream.h"

#include <cstdint>
#include <new>

namespace imgmount {
namespace {
constexpr uint64_t kMemoryLimit = 128 << 20;
}  // namespace

XzStream::XzStream() : stream_(new lzma_stream(LZMA_STREAM_INIT)) {
  if (lzma_stream_decoder(stream_.get(), kMemoryLimit, LZMA_CONCATENATED) !=
      LZMA_OK) {
    throw std::bad_alloc();
  }
}

Status XzStream::Step(std::span<const std::byte>& in,
                      std::span<std::byte>& out) {
  stream_->next_in = reinterpret_cast<const uint8_t*>(in.data());
  stream_->avail_in = in.size();
  stream_->next_out = reinterpret_cast<uint8_t*>(out.data());
  stream_->avail_out = out.size();
  const lzma_ret status = lzma_code(stream_.get(), LZMA_RUN);
  in = in.last(stream_->avail_in);
  out = out.last(stream_->avail_out);
  switch (status) {
    case LZMA_OK:
    case LZMA_BUF_ERROR:  // no progress was possible: no error by itself
    case LZMA_STREAM_END:
      return {};
    case LZMA_MEMLIMIT_ERROR:
      return Fail(ErrorCode::kUnsupported,
                  "xz data that needs more than 128 MiB of memory to decode");
    default:
      return Fail(ErrorCode::kCorrupt, "damaged xz data");
  }
}

Status XzStream::CheckEnd() {
  uint8_t nothing;
  stream_->next_in = nullptr;
  stream_->avail_in = 0;
  stream_->next_out = &nothing;
  stream_->avail_out = 0;
  // Padding between streams ends with the input, so only now it is the end.
  if (lzma_code(stream_.get(), LZMA_FINISH) == LZMA_STREAM_END) return {};
  return Fail(ErrorCode::kCorrupt, "truncated xz data");
}

}  // namespace imgmount
