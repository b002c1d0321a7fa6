// SPDX-License-Identifier: Apache-2.0
// A mount from its beginning to its end.
#ifndef IMGMOUNT_FS_MOUNT_SESSION_H_
#define IMGMOUNT_FS_MOUNT_SESSION_H_

#include <functional>
#include <memory>

#include "fs/file_system.h"
#include "fs/mount/fuse_mount.h"
#include "meta/base/result.h"

namespace imgmount {

// Work beside a mount: made in the process that serves it, before it does, and
// destroyed there after that. May be null.
using StartWork = std::function<std::shared_ptr<void>()>;

// Mounts, serves in this process until it is unmounted or a signal (SIGTERM,
// SIGINT, SIGHUP) comes, and leaves nothing mounted. `on_ready` is called once,
// when the mount answers; from another thread. `push`: see PagePusher.
Status RunSession(const FileSystem& fs, bool push, const MountConfig& config,
                  const std::function<void()>& on_ready,
                  const StartWork& start_work = {});

// The same, but the mount outlives the processes that serve it: this one only
// keeps it (fs/keep/keeper.h), and a process of its own serves. `fs` was made
// before, so that it need not be made again; the server destroys it when it
// ends. Nobody else may own it. `on_ready` is called in the server.
// REQUIRES: no threads.
Status RunKeptSession(std::shared_ptr<const FileSystem> fs, bool push,
                      const MountConfig& config,
                      const std::function<void()>& on_ready,
                      const StartWork& start_work = {});

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_SESSION_H_
