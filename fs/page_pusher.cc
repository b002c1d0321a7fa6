#include "fs/page_pusher.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "fs/quiet_thread.h"

namespace imgmount {
namespace {

// Inode numbers further apart than this are not neighbours.
constexpr uint64_t kNear = 4096;
constexpr int kMaxInOrder = 4;
constexpr int kEnough = 2;
// A walk that reads files still does so now and then, however much is pushed;
// one that reads no more only lists.
constexpr int kMaxListed = 64;

}  // namespace

PagePusher::PagePusher(const UnionTree& tree, TreeReader& reader, Store store,
                       PushLimits limits)
    : tree_(tree), reader_(reader), store_(std::move(store)), limits_(limits) {}

PagePusher::~PagePusher() {
  Stop();
  if (thread_.joinable()) thread_.join();
}

void PagePusher::OnRead(Ino ino) {
  const std::lock_guard lock(mutex_);
  const uint64_t from = last_read_.number();
  const uint64_t to = ino.number();
  // A walk goes forward, apart from the way back up from a directory; a
  // program that picks files goes anywhere.
  if (to > from && to - from <= kNear) {
    in_order_ = std::min(in_order_ + 1, kMaxInOrder);
  } else if (to <= from && from - to <= kNear) {
    in_order_ = std::max(in_order_ - 1, 0);
  } else {
    in_order_ = 0;
  }
  last_read_ = ino;
  listed_ = 0;
  Want(ino);
}

void PagePusher::OnListed(Ino directory) {
  {
    const std::lock_guard lock(mutex_);
    if (in_order_ < kEnough || ++listed_ > kMaxListed) return;
  }
  // New inodes of a directory follow each other, in the order of the listing.
  const auto first = tree_.Entry(directory, 0);
  if (!first || first->ino < directory) return;
  const std::lock_guard lock(mutex_);
  Want(Ino(first->ino.number() - 1));
}

void PagePusher::Want(Ino after) {
  if (in_order_ < kEnough || stop_) return;
  wanted_ = after;
  if (!thread_.joinable()) {
    ended_ = false;
    thread_ = StartQuietThread([this] { Run(); });
  }
  wake_.notify_one();
}

bool PagePusher::Stop() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  wake_.notify_one();
  return ended_;
}

bool PagePusher::StopRequested() {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void PagePusher::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || wanted_ != Ino(); });
    if (stop_) break;
    const Ino read = std::exchange(wanted_, Ino());
    lock.unlock();
    PushAfter(read);
    lock.lock();
  }
  ended_ = true;
}

void PagePusher::PushAfter(Ino read) {
  const uint64_t last =
      std::min(read.number() + limits_.max_ahead_files, tree_.inode_count());
  // A read of what was pushed means that the kernel did not keep it: begin
  // again from there.
  const bool goes_on = pushed_ > read && pushed_.number() <= last;
  uint64_t bytes = 0;
  for (uint64_t i = (goes_on ? pushed_ : read).number() + 1;
       i <= last && bytes < limits_.max_ahead_bytes; ++i) {
    if (StopRequested()) return;
    const auto inode = tree_.Get(Ino(i));
    if (!inode) return;
    if (S_ISREG(inode->mode) && inode->size > 0 &&
        inode->size <= limits_.max_file_bytes) {
      const auto file = reader_.View(Ino(i), 0, inode->size);
      if (!file) return;
      // The kernel does not know it, so nobody has listed its directory yet.
      if (!store_(Ino(i), *file)) return;
      bytes += file->size;
    }
    pushed_ = Ino(i);
  }
}

}  // namespace imgmount
