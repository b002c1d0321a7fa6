// SPDX-License-Identifier: Apache-2.0
// XzStream: decodes xz, any number of streams one after the other, with stream
// padding, as the xz tool (which Docker runs) does. Not thread-safe.
#ifndef IMGMOUNT_META_CODEC_XZ_STREAM_H_
#define IMGMOUNT_META_CODEC_XZ_STREAM_H_

#include <lzma.h>

#include <cstddef>
#include <memory>
#include <span>

#include "meta/base/result.h"

namespace imgmount {

class XzStream {
 public:
  XzStream();

  // Decodes until the input is used up or the output is full; cuts what it
  // used off the front of both. kUnsupported for data that needs more than
  // 128 MiB of memory (xz -9 makes such that need 65).
  Status Step(std::span<const std::byte>& in, std::span<std::byte>& out);
  // kCorrupt if the stream may not end here.
  Status CheckEnd();

 private:
  struct Free {
    void operator()(lzma_stream* s) const {
      lzma_end(s);
      delete s;
    }
  };
  std::unique_ptr<lzma_stream, Free> stream_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_CODEC_XZ_STREAM_H_
