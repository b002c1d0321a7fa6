// SPDX-License-Identifier: Apache-2.0
// SpanWriter: makes the span table's file while a layer is being decoded.
#ifndef IMGMOUNT_META_LAYER_SPAN_WRITER_H_
#define IMGMOUNT_META_LAYER_SPAN_WRITER_H_

#include <zstd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/file.h"
#include "meta/base/result.h"
#include "meta/base/xxh3.h"
#include "meta/layer/span_format.h"

namespace imgmount {

class SpanWriter {
 public:
  static Result<SpanWriter> Create(const std::filesystem::path& path);

  // The next byte appended starts a span. One that gets no bytes leaves no
  // trace.
  void Begin(SpanKind kind, SpanFile file, uint64_t in_offset);
  // The resume state of the present span, if it has one, as GzipStream saved
  // it; any time before its end.
  Status SetState(std::string state);
  // The span's next bytes. REQUIRES: a span was begun.
  Status Append(std::span<const std::byte> data);
  // The span's compressed bytes end at `in_end`.
  void End(uint64_t in_end);
  // The last `length` bytes appended, which come from `in_offset` on, begin the
  // next span of the same file. REQUIRES: whole blocks are before them.
  void Split(uint64_t length, SpanKind kind, uint64_t in_offset);

  // Span i of another table of the same layer, as it is there: in place of all
  // the above.
  Status Copy(const SpanTable& table, size_t i);

  uint64_t span_length() const { return next_.length; }
  uint64_t size() const { return size_; }  // of the uncompressed tar so far

  // Writes the table; then the file may get its name.
  Status Finish();
  Status Commit() { return file_.Commit(); }

 private:
  struct FreeHash {
    void operator()(XXH3_state_t* s) const { XXH3_freeState(s); }
  };
  struct FreeCompressor {
    void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  };
  explicit SpanWriter(AtomicFile file);
  Status WriteState(std::string_view packed);
  void EndBlock();

  AtomicFile file_;
  uint64_t end_ = sizeof(SpansHeader);  // of what is written of the file
  std::vector<SpanRecord> spans_;
  std::vector<uint64_t> blocks_;
  uint64_t size_ = 0;
  SpanRecord next_ = {};     // the span that is being made
  uint64_t block_left_ = 0;  // until the present block is full
  std::unique_ptr<XXH3_state_t, FreeHash> hash_;
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> compressor_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_SPAN_WRITER_H_
