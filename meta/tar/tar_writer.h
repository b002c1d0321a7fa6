// SPDX-License-Identifier: Apache-2.0
// TarWriter: a tar in the pax format, by libarchive.
//
// The same entries give the same bytes, whenever and wherever they are written.
// Names of xattrs with blanks, "=" or "%" are %-encoded, as libarchive does.
// One thread at a time.
#ifndef IMGMOUNT_META_TAR_TAR_WRITER_H_
#define IMGMOUNT_META_TAR_TAR_WRITER_H_

#include <cstddef>
#include <memory>
#include <span>

#include "meta/base/result.h"
#include "meta/tar/layer_entry.h"

struct archive;

namespace imgmount {

class TarWriter {
 public:
  // Writes to `fd` from its position on; it outlives the writer.
  static Result<TarWriter> Open(int fd);

  // Begins an entry; its path is written as it stands. Where a regular file's
  // `extents` leave holes, it is written as a sparse file (GNU's format 1.0);
  // where in the layer they lie does not matter here. kUnsupported for a
  // socket, which no tar can hold.
  Status Add(const LayerEntry& entry);
  // All bytes of a regular file, in order; those of holes as zeros.
  Status Write(std::span<const std::byte> bytes);
  // Once, at the end.
  Status Close();

 private:
  struct FreeWriter {
    void operator()(struct archive* writer) const;
  };
  explicit TarWriter(struct archive* writer) : writer_(writer) {}
  Failure Failed() const;

  std::unique_ptr<struct archive, FreeWriter> writer_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_TAR_TAR_WRITER_H_
