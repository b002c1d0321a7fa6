// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/page_pusher.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "fs/fuse/serve_loop.h"
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
// The parts of a mount are further apart: see ComposedFs.
constexpr uint64_t kSamePart = uint64_t{1} << 39;

uint64_t Distance(Ino a, Ino b) {
  return a > b ? a.number() - b.number() : b.number() - a.number();
}

}  // namespace

PagePusher::PagePusher(const FileSystem& fs, Store store, PushLimits limits)
    : fs_(fs), store_(std::move(store)), limits_(limits) {}

PagePusher::~PagePusher() {
  Stop();
  if (thread_.joinable()) thread_.join();
}

PagePusher::Walk& PagePusher::WalkOf(Ino ino) {
  const auto distance = [ino](const Walk& walk) {
    // One that has not begun is nowhere, and not at the first inodes.
    return walk.last == 0 ? ~uint64_t{0} : Distance(walk.last_read, ino);
  };
  Walk& near = *std::min_element(
      walks_.begin(), walks_.end(),
      [&](const Walk& a, const Walk& b) { return distance(a) < distance(b); });
  if (distance(near) <= kNear) return near;
  Walk& oldest = *std::min_element(
      walks_.begin(), walks_.end(),
      [](const Walk& a, const Walk& b) { return a.last < b.last; });
  oldest = {.begun = reads_, .last_read = ino};
  return oldest;
}

void PagePusher::OnRead(Ino ino) {
  const MutexLock lock(mutex_);
  ++reads_;
  Walk& walk = WalkOf(ino);
  // A walk goes forward, apart from the way back up from a directory; a
  // program that picks files goes anywhere. A read is told of once it was
  // answered, so by then another thread may have told of the next.
  const bool forward =
      ino != walk.last_read &&
      ino.number() + kMaxServingThreads > walk.last_read.number();
  if (forward) {
    walk.in_order = std::min(walk.in_order + 1, kMaxInOrder);
  } else {
    walk.in_order = std::max(walk.in_order - 1, 0);
  }
  walk.last = reads_;
  walk.last_read = forward ? std::max(ino, walk.last_read) : ino;
  walk.listed = 0;
  Want(walk, ino);
}

void PagePusher::OnListed(Ino directory) {
  {
    const MutexLock lock(mutex_);
    Walk* const walk = ReadingWalkNear(directory);
    if (walk == nullptr || ++walk->listed > kMaxListed) return;
  }
  // New inodes of a directory follow each other, in the order of the listing.
  Ino first;
  (void)fs_.List(directory, 0,
                 [&](const FileSystem::ListedEntry& entry) -> Result<bool> {
                   if (entry.name == "." || entry.name == "..") return true;
                   if (!entry.name_only) first = entry.ino;
                   return false;
                 });
  if (first < directory) return;
  const MutexLock lock(mutex_);
  if (Walk* const walk = ReadingWalkNear(directory)) {
    Want(*walk, Ino(first.number() - 1));
  }
}

PagePusher::Walk* PagePusher::ReadingWalkNear(Ino directory) {
  Walk* latest = nullptr;
  for (Walk& walk : walks_) {
    if (walk.in_order < kEnough) continue;
    if (Distance(walk.last_read, directory) >= kSamePart) continue;
    if (latest == nullptr || walk.last > latest->last) latest = &walk;
  }
  return latest;
}

void PagePusher::Want(Walk& walk, Ino after) {
  if (walk.in_order < kEnough || stop_) return;
  walk.wanted = after;
  StartThread();
  wake_.NotifyOne();
}

void PagePusher::StartThread() {
  if (thread_.joinable()) return;
  ended_ = false;
  thread_ = StartQuietThread([this] { Run(); });
}

void PagePusher::OnForeseen(const FilePart& part) {
  const MutexLock lock(mutex_);
  if (stop_) return;
  foreseen_.push_back(part);
  StartThread();
  wake_.NotifyOne();
}

void PagePusher::OnLookedUp(Ino ino) {
  if (!any_unknown_) return;
  const MutexLock lock(mutex_);
  const auto begin = unknown_.lower_bound({ino});
  const auto end = unknown_.lower_bound({Ino(ino.number() + 1)});
  if (begin == end) return;
  // Its reader is there already.
  foreseen_.insert(foreseen_.begin(), begin, end);
  unknown_.erase(begin, end);
  any_unknown_ = !unknown_.empty();
  wake_.NotifyOne();
}

bool PagePusher::PushPart(const FilePart& part) {
  Prefetch& prefetch = *fs_.prefetch();
  const auto bytes = prefetch.ViewDecoded(part);
  if (!bytes || bytes->size == 0) return true;
  const Status stored = store_(part.ino, part.offset, *bytes);
  if (stored) {
    prefetch.OnStored({part.ino, part.offset, bytes->size});
    return true;
  }
  return stored.error().code() != ErrorCode::kNotFound;
}

bool PagePusher::Stop() {
  const MutexLock lock(mutex_);
  stop_ = true;
  wake_.NotifyOne();
  return ended_;
}

bool PagePusher::StopRequested() {
  const MutexLock lock(mutex_);
  return stop_;
}

PagePusher::Walk* PagePusher::WaitingWalk() {
  for (Walk& walk : walks_) {
    if (walk.wanted != Ino()) return &walk;
  }
  return nullptr;
}

void PagePusher::Run() {
  MutexLock lock(mutex_);
  while (true) {
    while (!stop_ && foreseen_.empty() && WaitingWalk() == nullptr) {
      wake_.Wait(mutex_);
    }
    if (stop_) break;
    if (!foreseen_.empty()) {
      const FilePart part = foreseen_.front();
      foreseen_.pop_front();
      lock.Unlock();
      const bool known = PushPart(part);
      lock.Lock();
      if (!known) {
        unknown_.insert(part);
        any_unknown_ = true;
      }
      continue;
    }
    Walk& walk = *WaitingWalk();
    const Walk before = walk;
    walk.wanted = Ino();
    lock.Unlock();
    const Ino pushed = PushAfter(before.wanted, before.pushed);
    lock.Lock();
    if (walk.begun == before.begun) walk.pushed = pushed;
  }
  ended_ = true;
}

Ino PagePusher::PushAfter(Ino read, Ino pushed) {
  const uint64_t last = read.number() + limits_.max_ahead_files;
  // A read of what was pushed means that the kernel did not keep it: begin
  // again from there.
  const bool goes_on = pushed > read && pushed.number() <= last;
  uint64_t bytes = 0;
  if (!goes_on) pushed = read;
  while (pushed.number() < last && bytes < limits_.max_ahead_bytes) {
    if (StopRequested()) break;
    const Ino next(pushed.number() + 1);
    const auto attributes = fs_.Attributes(next);
    if (!attributes) break;
    const auto size = static_cast<uint64_t>(attributes->st_size);
    if (S_ISREG(attributes->st_mode) && size > 0 &&
        size <= limits_.max_file_bytes) {
      const auto file = fs_.Read(next, 0, size);
      if (!file) break;
      // The kernel does not know it, so nobody has listed its directory yet.
      if (!store_(next, 0, *file)) break;
      bytes += file->size;
    }
    pushed = next;
  }
  return pushed;
}

}  // namespace imgmount
