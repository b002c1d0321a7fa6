// SPDX-License-Identifier: Apache-2.0
// Making libfuse's sessions.
#ifndef IMGMOUNT_FS_MOUNT_FUSE_SESSION_H_
#define IMGMOUNT_FS_MOUNT_FUSE_SESSION_H_

#include <memory>
#include <string>

#include "fs/fuse/fuse_ops.h"
#include "fs/mount/mount_options.h"
#include "meta/base/file.h"
#include "meta/base/result.h"

struct fuse_session;

namespace imgmount {

struct DestroyFuseSession {
  void operator()(fuse_session* session) const;
};
using FuseSessionPtr = std::unique_ptr<fuse_session, DestroyFuseSession>;

// `name` is shown as the mount's source. `context` is for FuseOps(); null if
// the session is only to mount.
Result<FuseSessionPtr> NewFuseSession(const std::string& name,
                                      const MountOptions& options,
                                      FuseOpsContext* context);

// While it lives, what libfuse and fusermount3 print is kept, for the one line
// that says why a mount failed. fusermount3 inherits stderr, so that is
// replaced; no other thread may be printing.
class MountMessages {
 public:
  MountMessages();
  ~MountMessages();
  MountMessages(const MountMessages&) = delete;
  MountMessages& operator=(const MountMessages&) = delete;

  // All that was printed, in one line.
  std::string Line() const;

 private:
  UniqueFd saved_stderr_;
  UniqueFd text_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_FUSE_SESSION_H_
