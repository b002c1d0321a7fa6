// SPDX-License-Identifier: Apache-2.0
// FrameWriter: the re-encoded copy of what cannot be decoded from its middle:
// independent zstd frames, each of which is one span.
#ifndef IMGMOUNT_META_LAYER_FRAME_WRITER_H_
#define IMGMOUNT_META_LAYER_FRAME_WRITER_H_

#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "meta/base/file.h"
#include "meta/base/result.h"
#include "meta/layer/span_writer.h"

namespace imgmount {

class FrameWriter {
 public:
  // The file is made when the first frame is.
  FrameWriter(std::filesystem::path path, SpanWriter& spans)
      : path_(std::move(path)), spans_(spans) {}

  // The tar's next bytes.
  Status Append(std::span<const std::byte> data);
  // Ends the present span, if there is one.
  Status Flush();

  // Gives the file its name, if there is a file.
  Status Commit();

 private:
  struct Free {
    void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  };
  std::filesystem::path path_;
  SpanWriter& spans_;
  std::optional<AtomicFile> file_;
  std::unique_ptr<ZSTD_CCtx, Free> compressor_;
  uint64_t end_ = 0;  // of the file
  std::vector<std::byte> raw_;
  std::vector<std::byte> packed_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_FRAME_WRITER_H_
