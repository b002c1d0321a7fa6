// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "meta/diff/diff_tree.h"

namespace imgmount {
namespace {

class EmptyTree : public DiffTree {
 public:
  Result<Inode> Get(Ino ino) override {
    Inode root;
    root.ino = root.parent = ino;
    root.mode = S_IFDIR | 0755;
    root.nlink = 2;
    return root;
  }
  Result<std::vector<DirEntry>> Children(Ino) override {
    return std::vector<DirEntry>();
  }
  Result<std::string> SymlinkTarget(Ino) override { return NoFiles(); }
  Result<std::vector<Xattr>> Xattrs(Ino) override {
    return std::vector<Xattr>();
  }
  Result<ContentSource> Source(Ino) override { return NoFiles(); }
  Result<size_t> Read(Ino, uint64_t, std::span<std::byte>) override {
    return NoFiles();
  }

 private:
  static Failure NoFiles() {
    return Fail(ErrorCode::kInternal, "an empty tree has no files");
  }
};

}  // namespace

std::unique_ptr<DiffTree> MakeEmptyTree() {
  return std::make_unique<EmptyTree>();
}

}  // namespace imgmount
