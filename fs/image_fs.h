// ImageFs: the mounted file system's answers, in terms of our own types.
//
// The FUSE protocol is fuse_ops.cc's business; this knows nothing of requests
// and replies. Thread-safe and immutable, like the tree it shows.
#ifndef IMGMOUNT_FS_IMAGE_FS_H_
#define IMGMOUNT_FS_IMAGE_FS_H_

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "fs/tree_reader.h"
#include "meta/base/result.h"
#include "meta/union/union_tree.h"

namespace imgmount {

struct ImageFsOptions {
  // Shown as the owner of everything, when given.
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

class ImageFs {
 public:
  // Both outlive it.
  ImageFs(const UnionTree& tree, TreeReader& reader,
          ImageFsOptions options = {})
      : tree_(tree), reader_(reader), options_(options) {}

  // stat(2), without st_dev.
  Result<struct stat> Attributes(Ino ino) const;
  // "." and ".." too, as NFS export needs. kNotFound: no such name.
  Result<struct stat> Lookup(Ino directory, std::string_view name) const;
  Result<std::string> ReadLink(Ino ino) const;

  struct ListedEntry {
    std::string_view name;
    Ino ino;
    uint32_t type = 0;     // S_IFMT bits
    bool is_dots = false;  // "." or ".."
    uint64_t next = 0;     // the offset of the entry after this one
  };
  // Calls `emit` for the entries from `offset` on (0: the first, which is
  // "."), until it answers false. An offset stays good for as long as the
  // image: telldir(3) and seekdir(3) work.
  Status List(
      Ino directory, uint64_t offset,
      const std::function<Result<bool>(const ListedEntry&)>& emit) const;

  Result<FileBytes> Read(Ino ino, uint64_t offset, size_t length) const;
  // lseek(2) with SEEK_DATA or SEEK_HOLE.
  Result<uint64_t> Seek(Ino ino, uint64_t offset, int whence) const;

  // ENODATA where there is none of that name.
  Result<std::string> Xattr(Ino ino, std::string_view name) const;
  // Names, each ended by a NUL.
  Result<std::string> XattrNames(Ino ino) const;
  bool any_xattrs() const { return tree_.any_xattrs(); }

  struct statvfs Statistics() const;

 private:
  Result<struct stat> ToStat(const Inode& inode) const;

  const UnionTree& tree_;
  TreeReader& reader_;
  const ImageFsOptions options_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_IMAGE_FS_H_
