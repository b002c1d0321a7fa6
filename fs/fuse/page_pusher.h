// SPDX-License-Identifier: Apache-2.0
// PagePusher: puts files into the kernel's page cache before they are asked
// for: a read that is never made is the fastest.
//
// When the small files of a directory are read one after the other, the next
// ones are sure to follow. They lie behind each other in the same decoded span
// and in the tree's inode numbers (see meta/union/tree_format.h), so what comes
// next is known. A few such walks are followed at a time, as of diff(1) through
// two trees. And what a program reads as it starts is known from the last time
// (fs/read/access_profiles.h).
//
// A store waits for the page lock of a read that is under way, so it must
// never be done by a thread that should answer that read: the pusher has a
// thread of its own, and nobody waits for it.
#ifndef IMGMOUNT_FS_FUSE_PAGE_PUSHER_H_
#define IMGMOUNT_FS_FUSE_PAGE_PUSHER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <thread>

#include "fs/file_system.h"
#include "meta/base/mutex.h"

namespace imgmount {

struct PushLimits {
  uint64_t max_file_bytes = 128 << 10;
  uint64_t max_ahead_bytes = 1 << 20;  // beyond the file that was read
  uint64_t max_ahead_files = 128;
};

class PagePusher {
 public:
  // Stores bytes from that offset of a file. kNotFound: the kernel does not
  // know the inode; kCancelled: there is no kernel any more.
  using Store = std::function<Status(Ino, uint64_t offset, const FileBytes&)>;

  PagePusher(const FileSystem& fs, Store store, PushLimits limits = {});
  ~PagePusher();

  // A whole file was read. Returns at once.
  void OnRead(Ino ino);
  // A directory was listed to its end, so that the kernel knows what is in it.
  // In the middle of a walk that reads files, these are next. Returns at once.
  void OnListed(Ino directory);

  // A program that starts will read this, and it is decoded: pushed as soon as
  // the kernel knows the file. REQUIRES: `fs` has a prefetch(). Returns at
  // once.
  void OnForeseen(const FilePart& part);
  // The kernel knows this file now. Returns at once.
  void OnLookedUp(Ino ino);

  // Asks the thread to end; it may still be in a store. True once it ended.
  bool Stop();

 private:
  // Reads that go forward through neighbouring inode numbers.
  struct Walk {
    uint64_t begun = 0;  // the read it began with, by their count
    uint64_t last = 0;   // the read it goes on with
    Ino last_read = {};
    int in_order = 0;
    int listed = 0;   // directories since the last read
    Ino wanted = {};  // push after this one; 0: nothing to do
    Ino pushed = {};  // all up to this one were pushed
  };

  // The one that the read goes on with, or a new one in place of the oldest.
  Walk& WalkOf(Ino ino) REQUIRES(mutex_);
  // The one that reads files of the same part of the mount, if there is one.
  Walk* ReadingWalkNear(Ino directory) REQUIRES(mutex_);
  Walk* WaitingWalk() REQUIRES(mutex_);
  void Want(Walk& walk, Ino after) REQUIRES(mutex_);
  void StartThread() REQUIRES(mutex_);
  void Run();
  // Pushes what follows `read`, but not again what was `pushed`; returns up to
  // where.
  Ino PushAfter(Ino read, Ino pushed);
  // False: the kernel does not know the file.
  bool PushPart(const FilePart& part);
  bool StopRequested();

  const FileSystem& fs_;
  const Store store_;
  const PushLimits limits_;

  Mutex mutex_;
  CondVar wake_;
  std::array<Walk, 4> walks_ GUARDED_BY(mutex_);
  uint64_t reads_ GUARDED_BY(mutex_) = 0;
  std::deque<FilePart> foreseen_ GUARDED_BY(mutex_);
  // Foreseen as well, but the kernel does not know the files.
  std::set<FilePart> unknown_ GUARDED_BY(mutex_);
  std::atomic<bool> any_unknown_{false};
  bool stop_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> ended_{true};
  std::thread thread_;  // started under mutex_, joined by the destructor
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_FUSE_PAGE_PUSHER_H_
