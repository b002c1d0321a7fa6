// SPDX-License-Identifier: Apache-2.0
// Where the lines go that libfuse prints. libfuse has one function for a
// process, which asks here whom the calling thread works for.
#ifndef IMGMOUNT_FS_FUSE_FUSE_LOG_H_
#define IMGMOUNT_FS_FUSE_FUSE_LOG_H_

#include "fs/log.h"

namespace imgmount {

// While it lives, libfuse's lines on this thread go to `log`, which outlives
// it. Scopes may be nested. On other threads they go to stderr.
class FuseLogScope {
 public:
  explicit FuseLogScope(const Log& log);
  ~FuseLogScope();
  FuseLogScope(const FuseLogScope&) = delete;
  FuseLogScope& operator=(const FuseLogScope&) = delete;

 private:
  const Log* const before_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_FUSE_FUSE_LOG_H_
