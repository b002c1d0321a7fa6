// SPDX-License-Identifier: Apache-2.0
// Prefetch: what will be read of a file system before anybody asks, for who
// can put it into the kernel's page cache. Thread-safe.
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
    // Somebody reads on and on (true), and no more (false).
    std::function<void(bool)> on_walk;
  };
  // Replaces the one before, which is not called any more once this returns.
  // False: nothing is looked for.
  virtual bool SetListener(Listener listener) = 0;

  // The bytes of a part if all of it is decoded already, else nothing.
  virtual Result<FileBytes> ViewDecoded(const FilePart& part) = 0;
  // The part is in the kernel's page cache now.
  virtual void OnStored(const FilePart& part) = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_PREFETCH_H_
