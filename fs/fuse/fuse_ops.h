// SPDX-License-Identifier: Apache-2.0
// The low-level FUSE operations over a FileSystem.
//
// The tree never changes, so everything may be remembered for ever: entries,
// names that are not there, attributes, symlinks, pages. What the kernel need
// not ask at all (open, opendir, access, xattrs of an image without any) is
// answered with ENOSYS, after which it stops asking.
#ifndef IMGMOUNT_FS_FUSE_FUSE_OPS_H_
#define IMGMOUNT_FS_FUSE_FUSE_OPS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "fs/file_system.h"
#include "fs/log.h"

struct fuse_lowlevel_ops;

namespace imgmount {

// The largest read that is asked for, and answered, at once.
inline constexpr uint32_t kMaxRead = 1 << 20;

// The user data of a session with these operations.
struct FuseOpsContext {
  const FileSystem& fs;
  // Told what a program only sees as EIO.
  Log log = {};
  uint32_t max_read = kMaxRead;
  // The kernel may answer nothing by itself: libfuse keeps others out (-o
  // allow_root) by refusing their requests.
  bool ask_always = false;
  // Told of each whole file that was read; may be empty.
  std::function<void(Ino)> on_whole_file_read = {};
  // Told of each name that was looked up, once the kernel knows what it is; may
  // be empty.
  std::function<void(Ino)> on_looked_up = {};
  // Told of each directory whose end was reached, before the kernel is; it
  // knows what is in it by then.
  std::function<void(Ino)> on_directory_listed = {};
  // Keeps reads that wait for the network; null: they keep a thread.
  class ParkedReads* parked = nullptr;
  // Calls that the kernel can do without; set when it introduces itself.
  bool no_open = false;
  bool no_opendir = false;
};

const fuse_lowlevel_ops& FuseOps();

// Reads, waiting where that is needed, and answers.
void AnswerRead(const struct ParkedRead& read);

// Whether the answer to a request, as it comes from the kernel, is at hand.
bool AnswersAtOnce(const FileSystem& fs, std::span<const std::byte> request);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_FUSE_FUSE_OPS_H_
