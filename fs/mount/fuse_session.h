// SPDX-License-Identifier: Apache-2.0
// Making libfuse's sessions.
#ifndef IMGMOUNT_FS_MOUNT_FUSE_SESSION_H_
#define IMGMOUNT_FS_MOUNT_FUSE_SESSION_H_

#include <functional>
#include <memory>
#include <string>

#include "fs/fuse/fuse_ops.h"
#include "fs/mount/mount_options.h"
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

// Answers what libfuse and fusermount3 printed while `act` ran, in one line:
// why a mount failed. fusermount3 inherits stderr, so that is replaced; one
// call at a time does, and no other thread may be printing.
std::string CaptureMessages(const std::function<void()>& act);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_FUSE_SESSION_H_
