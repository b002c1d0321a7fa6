// SPDX-License-Identifier: Apache-2.0
// FuseMount: a FUSE file system at a directory, served or not.
#ifndef IMGMOUNT_FS_MOUNT_FUSE_MOUNT_H_
#define IMGMOUNT_FS_MOUNT_FUSE_MOUNT_H_

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "fs/log.h"
#include "fs/mount/fuse_session.h"
#include "fs/mount/mount_options.h"
#include "meta/base/result.h"

namespace imgmount {

struct MountConfig {
  std::filesystem::path mount_point;  // canonical: see CheckMountPoint
  std::string name;                   // shown as the mount's source
  MountOptions options;
  // Gets a line for each error while the mount is served.
  Log log = {};
  // Gives what is held while it is looked once more whether something is
  // mounted there, and mounted: a lock makes these one step. May be empty.
  std::function<std::shared_ptr<void>()> lock = {};
};

// Checks the mount point before anything is mounted: a folder is there, nothing
// of ours is mounted on it, /dev/fuse can be used. Answers the canonical path;
// otherwise kMount, which names the thing.
Result<std::filesystem::path> CheckMountPoint(
    const std::filesystem::path& path);

class FuseMount {
 public:
  static Result<FuseMount> Create(const MountConfig& config);
  FuseMount(FuseMount&&) = default;
  // Leaves nothing mounted.
  ~FuseMount();

  // /dev/fuse, where the requests come from; non-blocking. Owned by this.
  int device() const { return device_; }
  const MountConfig& config() const { return config_; }
  void Unmount();

 private:
  explicit FuseMount(const MountConfig& config) : config_(config) {}

  MountConfig config_;
  FuseSessionPtr mounter_;  // null: unmounted
  int device_ = -1;
  dev_t number_ = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_FUSE_MOUNT_H_
