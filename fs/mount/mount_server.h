// SPDX-License-Identifier: Apache-2.0
// MountServer: answers the requests of a mount, in the calling process.
#ifndef IMGMOUNT_FS_MOUNT_MOUNT_SERVER_H_
#define IMGMOUNT_FS_MOUNT_MOUNT_SERVER_H_

#include <functional>

#include "fs/file_system.h"
#include "fs/keep/request_journal.h"
#include "fs/mount/fuse_mount.h"
#include "meta/base/result.h"

namespace imgmount {

struct ServerConfig {
  // Puts files into the page cache before they are asked for: see PagePusher.
  bool push = true;
  // Readable when it is time to end.
  int stop_fd = -1;
  // Called once, when the mount answers; from another thread. May be empty.
  std::function<void()> on_ready = {};
};

// Serves on this thread and on others, until it is unmounted or stopped; no
// thread is left then, and the file system may still be mounted. Of an earlier
// server of the mount the journal tells.
Status ServeMount(const FuseMount& mount, const FileSystem& fs,
                  RequestJournal& journal, const ServerConfig& config);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_MOUNT_SERVER_H_
