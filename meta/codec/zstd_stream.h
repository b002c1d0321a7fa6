// SPDX-License-Identifier: Apache-2.0
// ZstdStream: decodes zstd frames, any number of them; skippable ones vanish.
//
// Windows of up to 128 MiB are accepted, as by the zstd command line tool
// (--long=27); a larger one is kUnsupported. Not thread-safe.
#ifndef IMGMOUNT_META_CODEC_ZSTD_STREAM_H_
#define IMGMOUNT_META_CODEC_ZSTD_STREAM_H_

#include <zstd.h>

#include <cstddef>
#include <memory>
#include <span>

#include "meta/base/result.h"

namespace imgmount {

class ZstdStream {
 public:
  ZstdStream();

  // Decodes until the input is used up, the output is full, or a frame ends;
  // cuts what it used off the front of both.
  Status Step(std::span<const std::byte>& in, std::span<std::byte>& out);

  // Whether a frame starts at the next byte of input.
  bool at_frame() const { return at_frame_; }
  // kCorrupt if the stream may not end here.
  Status CheckEnd() const;

 private:
  struct Free {
    void operator()(ZSTD_DCtx* c) const { ZSTD_freeDCtx(c); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  bool at_frame_ = true;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_CODEC_ZSTD_STREAM_H_
