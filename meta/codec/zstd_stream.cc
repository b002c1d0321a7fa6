// SPDX-License-Identifier: Apache-2.0
#include "meta/codec/zstd_stream.h"

#include <zstd_errors.h>

#include <string>

namespace imgmount {
namespace {
constexpr int kMaxWindowLog = 27;
}  // namespace

ZstdStream::ZstdStream() : context_(ZSTD_createDCtx()) {
  ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
}

Status ZstdStream::Step(std::span<const std::byte>& in,
                        std::span<std::byte>& out) {
  ZSTD_inBuffer from = {in.data(), in.size(), 0};
  ZSTD_outBuffer to = {out.data(), out.size(), 0};
  const size_t status = ZSTD_decompressStream(context_.get(), &to, &from);
  if (ZSTD_isError(status) != 0) {
    if (ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge) {
      return Fail(ErrorCode::kUnsupported,
                  "zstd data with a window of more than 128 MiB");
    }
    return Fail(ErrorCode::kCorrupt,
                std::string("damaged zstd data: ") + ZSTD_getErrorName(status));
  }
  if (from.pos + to.pos > 0) at_frame_ = status == 0;
  in = in.subspan(from.pos);
  out = out.subspan(to.pos);
  return {};
}

Status ZstdStream::CheckEnd() const {
  if (at_frame_) return {};
  return Fail(ErrorCode::kCorrupt, "truncated zstd data");
}

}  // namespace imgmount
