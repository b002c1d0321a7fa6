// SPDX-License-Identifier: Apache-2.0
// Undoing a compression by libarchive, whichever it is.
#ifndef IMGMOUNT_FETCH_ARCHIVE_DECOMPRESS_H_
#define IMGMOUNT_FETCH_ARCHIVE_DECOMPRESS_H_

#include <archive.h>

#include <functional>
#include <memory>
#include <span>

#include "meta/base/result.h"

namespace imgmount {

struct FreeArchive {
  void operator()(struct archive* a) const { archive_read_free(a); }
};
using ArchiveReader = std::unique_ptr<struct archive, FreeArchive>;

// A reader that knows the compressions of image layers; it runs no programs.
ArchiveReader MakeArchiveReader();

using ReadBytes = std::function<Result<size_t>(uint64_t, std::span<std::byte>)>;
using WriteBytes = std::function<Status(std::span<const std::byte>)>;

// All of `read`, decompressed, to `write`; what is not compressed passes as it
// is. An error of either ends it and is returned.
Status Decompress(const ReadBytes& read, const WriteBytes& write);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ARCHIVE_DECOMPRESS_H_
