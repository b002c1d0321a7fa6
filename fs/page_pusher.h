// PagePusher: puts small files into the kernel's page cache before they are
// asked for.
//
// When the small files of a directory are read one after the other, the next
// ones are sure to follow, and a read that is never made is the fastest. They
// lie behind each other in the same decoded span and in the tree's inode
// numbers (see meta/union/tree_format.h), so what comes next is known.
//
// A store waits for the page lock of a read that is under way, so it must
// never be done by a thread that should answer that read: the pusher has a
// thread of its own, and nobody waits for it.
#ifndef IMGMOUNT_FS_PAGE_PUSHER_H_
#define IMGMOUNT_FS_PAGE_PUSHER_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "fs/tree_reader.h"
#include "meta/union/union_tree.h"

namespace imgmount {

struct PushLimits {
  uint64_t max_file_bytes = 128 << 10;
  uint64_t max_ahead_bytes = 1 << 20;  // beyond the file that was read
  uint64_t max_ahead_files = 128;
};

class PagePusher {
 public:
  // Stores a whole file. kNotFound: the kernel does not know the inode;
  // kCancelled: there is no kernel any more.
  using Store = std::function<Status(Ino, const FileBytes&)>;

  PagePusher(const UnionTree& tree, TreeReader& reader, Store store,
             PushLimits limits = {});
  ~PagePusher();

  // A whole file was read. Returns at once.
  void OnRead(Ino ino);
  // A directory was listed to its end, so that the kernel knows what is in it.
  // In the middle of a walk that reads files, these are next. Returns at once.
  void OnListed(Ino directory);

  // Asks the thread to end; it may still be in a store. True once it ended.
  bool Stop();

 private:
  void Run();
  void Want(Ino after);  // mutex_ is held
  // Pushes what follows `read`.
  void PushAfter(Ino read);
  bool StopRequested();

  const UnionTree& tree_;
  TreeReader& reader_;
  const Store store_;
  const PushLimits limits_;

  std::mutex mutex_;
  std::condition_variable wake_;
  Ino last_read_;      // under mutex_
  int in_order_ = 0;   // under mutex_: reads that went forward
  int listed_ = 0;     // under mutex_: directories since the last read
  Ino wanted_;         // under mutex_: push after this one; 0: nothing to do
  bool stop_ = false;  // under mutex_
  std::atomic<bool> ended_{true};
  Ino pushed_;  // the thread's: all up to this one were pushed, in this run
  std::thread thread_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_PAGE_PUSHER_H_
