// SPDX-License-Identifier: Apache-2.0
// Whether anybody answers behind a mount.
#ifndef IMGMOUNT_FS_MOUNT_MOUNT_PROBE_H_
#define IMGMOUNT_FS_MOUNT_MOUNT_PROBE_H_

#include <chrono>
#include <filesystem>

namespace imgmount {

enum class MountState {
  kAlive,
  kSilent,   // no answer within the time: its server is stopped, or very busy
  kDead,     // its process is gone; it can only be unmounted
  kUnknown,  // another user's, which may not be asked
};

// Asks from a process of its own, as a question to a mount that is stuck does
// not return. REQUIRES: no other thread in this process.
MountState ProbeMount(const std::filesystem::path& point,
                      std::chrono::milliseconds at_most);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_MOUNT_PROBE_H_
