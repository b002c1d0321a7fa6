// SPDX-License-Identifier: Apache-2.0
// The -o options of a mount, in the manner of mount(8).
#ifndef IMGMOUNT_FS_MOUNT_MOUNT_OPTIONS_H_
#define IMGMOUNT_FS_MOUNT_MOUNT_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fs/fuse/fuse_ops.h"
#include "meta/base/result.h"

namespace imgmount {

struct MountOptions {
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  uint32_t max_read = kMaxRead;
  std::optional<std::string> fsname;  // what findmnt shows as SOURCE
  // For libfuse and the kernel: "ro", "nosuid", "default_permissions", …
  std::vector<std::string> flags;

  // `lists`: the argument of each -o, "a,b=c". The policy for whoever mounts
  // is part of the result. kUsage names an option that is unknown or that a
  // read-only image cannot have.
  static Result<MountOptions> Parse(std::span<const std::string> lists,
                                    bool is_root);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_MOUNT_OPTIONS_H_
