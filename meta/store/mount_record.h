// SPDX-License-Identifier: Apache-2.0
// MountRecord: "this image of the cache is mounted there".
//
// A mount's process has one for as long as it is mounted, unless none could be
// made (a full disk, a cache that may only be read): a file in
// <cache>/imgmount/mounts that says image and folder, under a lock, so that it
// counts for nothing once the process is gone, however it ended. Unlike the
// kernel's mount table it tells cache and digest, and sees into other mount
// namespaces.
#ifndef IMGMOUNT_META_STORE_MOUNT_RECORD_H_
#define IMGMOUNT_META_STORE_MOUNT_RECORD_H_

#include <sys/types.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/file.h"
#include "meta/base/result.h"
#include "meta/store/cache.h"

namespace imgmount {

class MountRecord {
 public:
  // Made by the process that keeps the mount. The servers that it forks have
  // the lock too, and must not run the destructor. Ends after that process's
  // UseLock.
  // `shows` tells people which part of the image: "layer 1"; "" is all of it.
  static Result<MountRecord> Hold(const Cache& cache, const Digest& manifest,
                                  const std::filesystem::path& point,
                                  const std::string& shows = "");
  MountRecord(MountRecord&&) = default;
  ~MountRecord();

 private:
  MountRecord(UniqueFd fd, std::filesystem::path path)
      : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::filesystem::path path_;
};

struct MountedImage {
  Digest manifest;
  std::string point;
  pid_t keeper = 0;  // the process that made the record
  std::string shows = "";
  std::time_t since = 0;
};

// Lists the mounts, sorted by folder. Records of processes that are gone are
// removed on the way.
Result<std::vector<MountedImage>> MountedImages(const Cache& cache);

inline constexpr std::chrono::milliseconds kMaxUnmountWait{3000};

// umount(8) returns before the mount's process has ended: waits, at most so
// long, for those whose folder is no mount any more. False: some still run (or
// are mounted in another mount namespace, which cannot be told from here).
Result<bool> AwaitUnmounted(
    const Cache& cache, std::chrono::milliseconds at_most = kMaxUnmountWait);

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_MOUNT_RECORD_H_
