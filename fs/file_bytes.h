// SPDX-License-Identifier: Apache-2.0
// Parts of files, and their bytes.
#ifndef IMGMOUNT_FS_FILE_BYTES_H_
#define IMGMOUNT_FS_FILE_BYTES_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "meta/union/union_tree.h"

namespace imgmount {

// A part of a file, as the pieces it lies in; zeros for holes. The bytes stay
// where they are while this lives. The file system that gave it outlives
// it.
struct FileBytes {
  std::vector<std::span<const std::byte>> pieces;
  std::vector<std::shared_ptr<const void>> pins;
  size_t size = 0;         // of all pieces
  uint64_t file_size = 0;  // of the whole file
};

// Bytes [offset, offset + length) of a file.
struct FilePart {
  Ino ino;
  uint64_t offset = 0;
  size_t length = 0;
  auto operator<=>(const FilePart&) const = default;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_FILE_BYTES_H_
