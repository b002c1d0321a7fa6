// SPDX-License-Identifier: Apache-2.0
// TreeFile: a UnionTree over the bytes of a tree file (tree_format.h).
#ifndef IMGMOUNT_META_UNION_TREE_FILE_H_
#define IMGMOUNT_META_UNION_TREE_FILE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/file.h"
#include "meta/base/result.h"
#include "meta/union/tree_format.h"
#include "meta/union/union_tree.h"

namespace imgmount {

class TreeFile final : public UnionTree {
 public:
  // `path` is removed when a block of it turns out to be damaged, so that
  // whoever opens the tree next makes it anew.
  static Result<std::unique_ptr<TreeFile>> Open(
      MappedFile file, const std::filesystem::path& path,
      std::string_view subject);
  // Over bytes that outlive it.
  static Result<std::unique_ptr<TreeFile>> Open(
      std::span<const std::byte> bytes, std::string_view subject = {});

  uint64_t inode_count() const override { return header_.inode_count; }
  uint64_t total_bytes() const override { return header_.total_bytes; }
  bool any_xattrs() const override { return header_.flags & kTreeAnyXattrs; }

  Result<Inode> Get(Ino ino) const override;
  Result<Ino> Lookup(Ino directory, std::string_view name) const override;
  Result<uint64_t> EntryCount(Ino directory) const override;
  Result<DirEntry> Entry(Ino directory, uint64_t position) const override;
  Result<std::string_view> SymlinkTarget(Ino ino) const override;
  Result<std::vector<Xattr>> Xattrs(Ino ino) const override;
  Result<std::vector<Extent>> Extents(Ino ino) const override;
  Status VerifyAll() const override;

 private:
  TreeFile(std::span<const std::byte> bytes, const TreeHeader& header);

  // The one way to the data: bytes [offset, offset + length) of a section,
  // within its bounds and verified; null if they are not to be had.
  const std::byte* Verified(TreeSectionId section, uint64_t offset,
                            uint64_t length) const;
  bool VerifyBlock(size_t block) const;
  // Item i of a section that is an array of T.
  template <typename T>
  bool Load(TreeSectionId section, uint64_t i, T& out) const;

  // The record of an inode that has this type, or any if it is 0.
  bool Record(Ino ino, uint32_t type, FullInodeRecord& out) const;
  Failure NoRecord(Ino ino, uint32_t type) const;  // why Record() was false
  // A dirent of a directory whose record is `directory`.
  bool LoadEntry(const FullInodeRecord& directory, uint64_t position,
                 DirEntry& out) const;

  MappedFile file_;
  std::filesystem::path path_;  // empty: not ours to remove
  TreeHeader header_;
  std::span<const std::byte> data_;
  std::span<const std::byte> table_;
  // Per block, whether it was verified. Verifying twice does no harm.
  std::unique_ptr<std::atomic<bool>[]> verified_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_UNION_TREE_FILE_H_
