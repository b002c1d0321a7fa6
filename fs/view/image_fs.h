// SPDX-License-Identifier: Apache-2.0
// ImageFs: a union tree as a FileSystem. Immutable, like the tree it shows.
#ifndef IMGMOUNT_FS_VIEW_IMAGE_FS_H_
#define IMGMOUNT_FS_VIEW_IMAGE_FS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/file_system.h"
#include "fs/read/tree_reader.h"
#include "meta/base/result.h"
#include "meta/union/union_tree.h"

namespace imgmount {

// Xattrs that are not the image's own. Thread-safe.
class ExtraXattrs {
 public:
  virtual ~ExtraXattrs() = default;
  // nullopt: the inode has none of that name.
  virtual Result<std::optional<std::string>> Value(
      const Inode& inode, std::string_view name) const = 0;
  virtual Result<std::vector<std::string>> Names(const Inode& inode) const = 0;
};

struct ImageFsOptions {
  // Shown as the owner of everything, when given.
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  const ExtraXattrs* extra_xattrs = nullptr;  // outlives the file system
};

class ImageFs : public FileSystem {
 public:
  // Both outlive it.
  ImageFs(const UnionTree& tree, TreeReader& reader,
          ImageFsOptions options = {})
      : tree_(tree), reader_(reader), options_(options) {}

  Result<struct stat> Attributes(Ino ino) const override;
  Result<struct stat> Lookup(Ino directory,
                             std::string_view name) const override;
  Result<std::string> ReadLink(Ino ino) const override;
  Status List(Ino directory, uint64_t offset, const Emit& emit) const override;
  Result<FileBytes> Read(Ino ino, uint64_t offset,
                         size_t length) const override;
  std::unique_ptr<BlobWait> Await(
      Ino ino, uint64_t offset, size_t length,
      const BlobSource::Arrived& arrived) const override {
    return reader_.Await(ino, offset, length, arrived);
  }
  Result<uint64_t> Seek(Ino ino, uint64_t offset, int whence) const override;
  Result<std::string> Xattr(Ino ino, std::string_view name) const override;
  Result<std::string> XattrNames(Ino ino) const override;
  bool any_xattrs() const override {
    return tree_.any_xattrs() || options_.extra_xattrs != nullptr;
  }
  struct statvfs Statistics() const override;
  Prefetch* prefetch() const override { return &reader_; }
  bool HasDecoded(Ino ino, uint64_t offset, size_t length) const override {
    return reader_.HasDecoded(ino, offset, length);
  }
  Slow slow() const override {
    return options_.extra_xattrs == nullptr ? Slow::kNothing : Slow::kXattrs;
  }

 private:
  Result<struct stat> ToStat(const Inode& inode) const;

  const UnionTree& tree_;
  TreeReader& reader_;
  const ImageFsOptions options_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_VIEW_IMAGE_FS_H_
