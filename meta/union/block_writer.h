// SPDX-License-Identifier: Apache-2.0
// BlockWriter: a tree file as it is being written, front to back, with the
// checksums of its blocks (tree_format.h).
#ifndef IMGMOUNT_META_UNION_BLOCK_WRITER_H_
#define IMGMOUNT_META_UNION_BLOCK_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "meta/base/file.h"
#include "meta/base/result.h"
#include "meta/union/tree_format.h"

namespace imgmount {

class BlockWriter {
 public:
  static Result<BlockWriter> Create(const std::filesystem::path& path);

  // Sections are begun once each, in any order; what is appended belongs to
  // the one begun last. Errors of writing are kept for Finish().
  void Begin(TreeSectionId section);
  void Append(std::string_view bytes);
  template <typename T>
  void AppendRecord(const T& record) {
    static_assert(std::has_unique_object_representations_v<T>);
    Append({reinterpret_cast<const char*>(&record), sizeof record});
  }

  // Completes `header` (magic, sizes, sections, checksums) and gives the file
  // its name.
  Status Finish(TreeHeader header, std::string_view subject);

 private:
  explicit BlockWriter(AtomicFile file) : file_(std::move(file)) {}
  void EndSection();
  void FlushBlock();

  AtomicFile file_;
  std::string block_;
  std::vector<uint64_t> checksums_;
  uint64_t data_bytes_ = 0;
  TreeSectionId section_ = kSectionCount;  // none yet
  std::array<TreeSection, kSectionCount> sections_ = {};
  Status status_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_UNION_BLOCK_WRITER_H_
