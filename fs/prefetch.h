// SPDX-License-Identifier: Apache-2.0
// Prefetch: tells which bytes of a file system will be read soon, so that they
// can be put into the kernel's page cache. Thread-safe.
#ifndef IMGMOUNT_FS_PREFETCH_H_
#define IMGMOUNT_FS_PREFETCH_H_

#include <functional>

#include "fs/file_bytes.h"
#include "meta/base/result.h"

namespace imgmount {

class Prefetch {
 public:
  virtual ~Prefetch() = default;

  // Called from other threads.
  struct Listener {
    // A part that a starting program is about to read is decoded.
    std::function<void(const FilePart&)> on_foreseen;
    // A walk through the file system begins (true) or ends (false).
    std::function<void(bool)> on_walk;
  };
  // Replaces the one before, which is not called any more once this returns.
  // False: it will never be called.
  virtual bool SetListener(Listener listener) = 0;

  // The bytes of a part if all of it is decoded already, else nothing.
  virtual Result<FileBytes> ViewDecoded(const FilePart& part) = 0;
  // The part is in the kernel's page cache now.
  virtual void OnStored(const FilePart& part) = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_PREFETCH_H_
