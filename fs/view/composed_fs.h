// SPDX-License-Identifier: Apache-2.0
// ComposedFs: several file systems in one mount, below a few directories and
// files of its own.
//
// Its own nodes have small inode numbers; those of part n begin at
// (n + 1) * 2^40, so a number tells whose it is. A part is opened when somebody
// goes into it, not when its name is listed.
#ifndef IMGMOUNT_FS_VIEW_COMPOSED_FS_H_
#define IMGMOUNT_FS_VIEW_COMPOSED_FS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/file_system.h"
#include "meta/base/mutex.h"

namespace imgmount {

class ComposedFs : public FileSystem {
 public:
  using Opener = std::function<Result<std::shared_ptr<const FileSystem>>()>;

  // Attributes of its own nodes; the time is seconds since the epoch.
  struct OwnAttributes {
    uint32_t uid = 0;
    uint32_t gid = 0;
    int64_t mtime = 0;
  };
  explicit ComposedFs(const OwnAttributes& own);

  // Made complete before it is used. Names are listed in this order and must
  // differ within a directory.
  Ino AddDirectory(Ino parent, std::string name);
  void AddFile(Ino parent, std::string name, std::string content);
  // A directory that shows another file system. `open` is called at most once
  // at a time, from any thread, and again only where it failed.
  void AddPart(Ino parent, std::string name, Opener open);

  Result<struct stat> Attributes(Ino ino) const override;
  Result<struct stat> Lookup(Ino directory,
                             std::string_view name) const override;
  Result<std::string> ReadLink(Ino ino) const override;
  Status List(Ino directory, uint64_t offset, const Emit& emit) const override;
  Result<FileBytes> Read(Ino ino, uint64_t offset,
                         size_t length) const override;
  std::unique_ptr<BlobWait> Await(
      Ino ino, uint64_t offset, size_t length,
      const BlobSource::Arrived& arrived) const override;
  Result<uint64_t> Seek(Ino ino, uint64_t offset, int whence) const override;
  Result<std::string> Xattr(Ino ino, std::string_view name) const override;
  Result<std::string> XattrNames(Ino ino) const override;
  bool any_xattrs() const override { return true; }
  // Those of the first part.
  struct statvfs Statistics() const override;
  // Anything may open a part.
  bool HasDecoded(Ino /*ino*/, uint64_t /*offset*/,
                  size_t /*length*/) const override {
    return false;
  }
  Slow slow() const override { return Slow::kAll; }

 private:
  struct Entry {
    std::string name;
    Ino ino;
    uint32_t type;
  };
  struct Node {
    Ino parent;
    uint32_t type;
    std::vector<Entry> children;  // of a directory
    std::string content;          // of a file
  };
  struct Part {
    Ino parent;
    Opener open;
    Mutex mutex;
    std::shared_ptr<const FileSystem> opened GUARDED_BY(mutex);
  };
  // An inode number taken apart: of a part, or of a node of its own.
  struct Place {
    std::shared_ptr<const FileSystem> part;  // null: a node
    uint64_t base = 0;                       // what the part's numbers lie at
    Ino ino;                                 // in the part, or the node's
    Ino above;                               // what ".." of the part's root is
  };

  Result<std::shared_ptr<const FileSystem>> OpenPart(Part& part) const;
  Result<Place> Find(Ino ino) const;
  Result<const Node*> FindNode(Ino ino) const;
  Result<struct stat> NodeAttributes(Ino ino) const;

  const OwnAttributes own_;
  std::vector<Node> nodes_;  // [0] is inode 1, the root
  std::vector<std::unique_ptr<Part>> parts_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_VIEW_COMPOSED_FS_H_
