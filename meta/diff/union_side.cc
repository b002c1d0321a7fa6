// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/union_side.h"

#include <algorithm>

namespace imgmount {
namespace {

class UnionSide : public DiffTree {
 public:
  UnionSide(const UnionTree& tree, std::vector<DiffId> diff_ids,
            FileReader read)
      : tree_(tree), diff_ids_(std::move(diff_ids)), read_(std::move(read)) {}

  Result<Inode> Get(Ino ino) override { return tree_.Get(ino); }

  Result<std::vector<DirEntry>> Children(Ino directory) override {
    IMGMOUNT_TRY(const uint64_t count, tree_.EntryCount(directory));
    std::vector<DirEntry> children;
    for (uint64_t i = 0; i < count; ++i) {
      IMGMOUNT_TRY(children.emplace_back(), tree_.Entry(directory, i));
    }
    std::sort(
        children.begin(), children.end(),
        [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
    return children;
  }

  Result<std::string> SymlinkTarget(Ino ino) override {
    IMGMOUNT_TRY(const std::string_view target, tree_.SymlinkTarget(ino));
    return std::string(target);
  }

  Result<std::vector<Xattr>> Xattrs(Ino ino) override {
    return tree_.Xattrs(ino);
  }

  Result<ContentSource> Source(Ino ino) override {
    IMGMOUNT_TRY(const Inode inode, tree_.Get(ino));
    ContentSource source;
    source.layer = inode.layer;
    if (inode.layer < diff_ids_.size()) {
      source.stream = diff_ids_[inode.layer].text();
    }
    IMGMOUNT_TRY(source.extents, tree_.Extents(ino));
    return source;
  }

  Result<size_t> Read(Ino ino, uint64_t offset,
                      std::span<std::byte> out) override {
    if (!read_) return Fail(ErrorCode::kInternal, "no reader for this tree");
    return read_(ino, offset, out);
  }

 private:
  const UnionTree& tree_;
  const std::vector<DiffId> diff_ids_;
  const FileReader read_;
};

}  // namespace

std::unique_ptr<DiffTree> MakeUnionSide(const UnionTree& tree,
                                        std::vector<DiffId> diff_ids,
                                        FileReader read) {
  return std::make_unique<UnionSide>(tree, std::move(diff_ids),
                                     std::move(read));
}

}  // namespace imgmount
