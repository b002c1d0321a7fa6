// SPDX-License-Identifier: Apache-2.0
// FileSystem: what a mount answers, in terms of our own types.
//
// The FUSE protocol is fuse_ops.cc's business; a FileSystem knows nothing of
// requests and replies. Thread-safe. Answers never change.
#ifndef IMGMOUNT_FS_FILE_SYSTEM_H_
#define IMGMOUNT_FS_FILE_SYSTEM_H_

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "fs/file_bytes.h"
#include "fs/prefetch.h"
#include "meta/base/result.h"
#include "meta/layer/blob_source.h"
#include "meta/union/union_tree.h"

namespace imgmount {

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // stat(2), without st_dev.
  virtual Result<struct stat> Attributes(Ino ino) const = 0;
  // "." and ".." too, as NFS export needs. kNotFound: no such name.
  virtual Result<struct stat> Lookup(Ino directory,
                                     std::string_view name) const = 0;
  virtual Result<std::string> ReadLink(Ino ino) const = 0;

  struct ListedEntry {
    std::string_view name;
    Ino ino;
    uint32_t type = 0;  // S_IFMT bits
    // The name alone is told: of "." and "..", and where attributes cost more
    // than a listing should.
    bool name_only = false;
    uint64_t next = 0;  // the offset of the entry after this one
  };
  using Emit = std::function<Result<bool>(const ListedEntry&)>;
  // Calls `emit` for the entries from `offset` on (0: the first, which is
  // "."), until it answers false. An offset stays good for as long as the
  // mount: telldir(3) and seekdir(3) work.
  virtual Status List(Ino directory, uint64_t offset,
                      const Emit& emit) const = 0;

  virtual Result<FileBytes> Read(Ino ino, uint64_t offset,
                                 size_t length) const = 0;
  // Whether Read() would wait for the network: see BlobSource::Await(). After
  // `arrived` it may wait again, for other bytes.
  virtual std::unique_ptr<BlobWait> Await(
      Ino /*ino*/, uint64_t /*offset*/, size_t /*length*/,
      const BlobSource::Arrived& /*arrived*/) const {
    return nullptr;
  }
  // lseek(2) with SEEK_DATA or SEEK_HOLE.
  virtual Result<uint64_t> Seek(Ino ino, uint64_t offset, int whence) const = 0;

  // ENODATA where there is none of that name.
  virtual Result<std::string> Xattr(Ino ino, std::string_view name) const = 0;
  // Names, each ended by a NUL.
  virtual Result<std::string> XattrNames(Ino ino) const = 0;
  virtual bool any_xattrs() const = 0;

  virtual struct statvfs Statistics() const = 0;

  // Null: nothing is foreseen. Lives as long as the file system.
  virtual Prefetch* prefetch() const { return nullptr; }

  // Whether Read() would answer without decoding anything.
  virtual bool HasDecoded(Ino ino, uint64_t offset, size_t length) const = 0;
  // Calls that may take longer than a look into memory, besides reads.
  enum class Slow { kNothing, kXattrs, kAll };
  virtual Slow slow() const = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_FILE_SYSTEM_H_
