// SPDX-License-Identifier: Apache-2.0
// A mount from its beginning to its end, in the calling process.
#ifndef IMGMOUNT_FS_MOUNT_SESSION_H_
#define IMGMOUNT_FS_MOUNT_SESSION_H_

#include <filesystem>
#include <functional>
#include <string>

#include "fs/file_system.h"
#include "fs/mount/mount_options.h"
#include "meta/base/result.h"

namespace imgmount {

struct SessionConfig {
  std::filesystem::path mount_point;  // canonical: see CheckMountPoint
  std::string name;                   // shown as the mount's source
  MountOptions options;
  // Called before it is looked once more whether something is mounted there,
  // so that a lock can make this and mounting one step.
  std::function<void()> on_mounting = {};
};

// What can be known before a mount is tried: a folder is there, nothing of
// ours is mounted on it, /dev/fuse can be used. Answers the canonical path;
// otherwise kMount, which names the thing.
Result<std::filesystem::path> CheckMountPoint(
    const std::filesystem::path& path);

// Mounts, serves until it is unmounted or a signal (SIGTERM, SIGINT, SIGHUP)
// comes, and leaves nothing mounted. `on_ready` is called once, when the mount
// answers; from another thread. `push`: see PagePusher.
Status RunSession(const FileSystem& fs, bool push, const SessionConfig& config,
                  const std::function<void()>& on_ready);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_SESSION_H_
