// SPDX-License-Identifier: Apache-2.0
// The mounts that this process sees, from /proc/self/mountinfo; and ending
// one.
#ifndef IMGMOUNT_FS_MOUNT_MOUNT_TABLE_H_
#define IMGMOUNT_FS_MOUNT_MOUNT_TABLE_H_

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"

namespace imgmount {

inline constexpr char kFuseSubtype[] = "imgmount";

struct MountEntry {
  dev_t device = 0;
  std::string point;
  std::string type;    // "fuse.imgmount"
  std::string source;  // "nginx"
  uid_t owner = 0;     // who mounted it: FUSE's user_id
  bool is_ours() const { return type == "fuse.imgmount"; }
};

// Lines that are not understood are left out.
std::vector<MountEntry> ParseMountInfo(std::string_view text);
Result<std::vector<MountEntry>> ReadMountTable();

// The mount at `point` now (the last one, where several are on top of
// each other).
std::optional<MountEntry> MountAt(const std::vector<MountEntry>& table,
                                  const std::filesystem::path& point);

// `path` as it stands in the table: its folder made canonical, but nothing
// asked of what is mounted there, which may be dead.
Result<std::filesystem::path> MountPointPath(const std::filesystem::path& path);

enum class Unmount {
  kNow,   // kMount when it is in use
  kLazy,  // out of sight at once, gone when nobody uses it
};
// As root by umount2(2), else by fusermount3.
Status UnmountPoint(const std::filesystem::path& point, Unmount how);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_MOUNT_TABLE_H_
