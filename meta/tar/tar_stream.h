// SPDX-License-Identifier: Apache-2.0
// TarStream: libarchive's tar reader over pieces of bytes, which also keeps
// the raw header of the present entry.
#ifndef IMGMOUNT_META_TAR_TAR_STREAM_H_
#define IMGMOUNT_META_TAR_TAR_STREAM_H_

#include <archive.h>
#include <archive_entry.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "meta/base/result.h"
#include "meta/tar/tar_walk.h"

namespace imgmount {

class TarStream {
 public:
  // `next` outlives the stream.
  explicit TarStream(const NextPiece& next);

  // The next entry, or null at the end of the tar. Valid until the next call.
  Result<archive_entry*> Next();

  // The present entry: where its header starts and its data, in the tar,
  // and the bytes between.
  uint64_t header_offset() const { return header_offset_; }
  uint64_t data_offset() const { return position(); }
  std::string_view raw_header() const { return raw_header_; }
  // Tells where the present entry's data ends: if the tar ends there too, the
  // padding to a whole block may be missing, as Go allows.
  void set_data_end(uint64_t end) { data_end_ = end; }

 private:
  struct Free {
    void operator()(archive* a) const { archive_read_free(a); }
  };
  static la_ssize_t Read(archive*, void* self, const void** buffer);
  uint64_t position() const {
    return static_cast<uint64_t>(archive_filter_bytes(archive_.get(), 0));
  }
  Failure Error(uint64_t at) const;
  la_ssize_t ReadPiece(const void** buffer);
  Status CheckEnd() const;
  bool IsAtEndAfterAll();
  Status CollectHeader();

  const NextPiece& next_;
  std::unique_ptr<archive, Free> archive_;
  std::span<const std::byte> piece_;
  uint64_t piece_offset_ = 0;  // of piece_ in the tar
  bool has_entry_ = false;     // there is a present entry
  bool in_header_ = false;
  bool header_too_large_ = false;
  uint64_t header_offset_ = 0;
  uint64_t data_end_ = 0;
  // The tar from some offset to the start of piece_, as far as headers need it.
  std::string before_;
  std::string joined_;
  std::string_view raw_header_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_TAR_TAR_STREAM_H_
