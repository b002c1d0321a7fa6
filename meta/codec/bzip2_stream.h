// SPDX-License-Identifier: Apache-2.0
// Bzip2Stream: decodes bzip2, any number of streams one after the other.
// Not thread-safe.
#ifndef IMGMOUNT_META_CODEC_BZIP2_STREAM_H_
#define IMGMOUNT_META_CODEC_BZIP2_STREAM_H_

#include <bzlib.h>

#include <cstddef>
#include <memory>
#include <span>

#include "meta/base/result.h"

namespace imgmount {

class Bzip2Stream {
 public:
  // Decodes until the input is used up or the output is full; cuts what it
  // used off the front of both.
  Status Step(std::span<const std::byte>& in, std::span<std::byte>& out);
  // kCorrupt if the stream may not end here.
  Status CheckEnd() const;

 private:
  struct Free {
    void operator()(bz_stream* s) const {
      BZ2_bzDecompressEnd(s);
      delete s;
    }
  };
  std::unique_ptr<bz_stream, Free> stream_;  // null between streams
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_CODEC_BZIP2_STREAM_H_
