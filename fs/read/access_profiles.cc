// SPDX-License-Identifier: Apache-2.0
#include "fs/read/access_profiles.h"

#include <algorithm>

#include "fs/quiet_thread.h"

namespace imgmount {
namespace {

constexpr size_t kThreads = 2;
// Spans decoded ahead must still be in the span cache when they are needed.
constexpr uint64_t kMaxBytesAhead = 24 << 20;
constexpr size_t kMaxNeeded = 32;  // parts that the kernel fetches ahead
// Fewer are quickly decoded without help.
constexpr size_t kMinParts = 3;

}  // namespace

std::vector<AccessProfiles::Cell> AccessProfiles::CellsOf(
    const ProfilePart& part) {
  std::vector<Cell> cells;
  const uint64_t end = part.offset + part.length;
  for (uint64_t n = part.offset / kCellBytes; n * kCellBytes < end; ++n) {
    cells.push_back({part.ino, n});
  }
  return cells;
}

AccessProfiles::AccessProfiles(AccessProfilesOptions options, Work will_need,
                               Work decode)
    : options_(std::move(options)),
      will_need_(std::move(will_need)),
      decode_(std::move(decode)),
      known_(options_.known) {}

AccessProfiles::~AccessProfiles() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
  if (End()) options_.save(known_);
}

void AccessProfiles::SetListener(Listener listener) {
  const MutexLock lock(listener_mutex_);
  listener_ = std::move(listener);
}

void AccessProfiles::Tell(bool is_walk) {
  const MutexLock lock(listener_mutex_);
  if (listener_.on_walk) listener_.on_walk(is_walk);
}

void AccessProfiles::Tell(const ProfilePart& decoded) {
  const MutexLock lock(listener_mutex_);
  if (listener_.on_decoded) listener_.on_decoded(decoded);
}

bool AccessProfiles::OnRead(Ino ino, uint64_t offset, uint64_t length) {
  const auto now = Clock::now();
  const auto number = static_cast<uint32_t>(ino.number());
  const MutexLock lock(mutex_);
  if (!open_) Begin({number, offset / kCellBytes});
  last_read_ = now;
  bool foreseen = true;
  for (uint64_t at = offset; at < offset + length && !too_long_;) {
    const Cell cell{number, at / kCellBytes};
    at = std::min(offset + length, (cell.number + 1) * kCellBytes);
    foreseen = AddCell(cell, at) && foreseen;
  }
  if (MayGoOn()) wake_.NotifyAll();
  return foreseen && !too_long_;
}

void AccessProfiles::OnStored(const ProfilePart& part) {
  const MutexLock lock(mutex_);
  if (!open_ || too_long_) return;
  const uint64_t end = part.offset + part.length;
  for (const Cell& cell : CellsOf(part)) {
    if (too_long_) break;
    (void)AddCell(cell, std::min(end, (cell.number + 1) * kCellBytes));
  }
  if (MayGoOn()) wake_.NotifyAll();
}

bool AccessProfiles::AddCell(const Cell& cell, uint64_t end) {
  const auto [it, is_new] = seen_.try_emplace(cell);
  if (is_new) {
    const auto goes_on = [&](const ProfilePart& part) {
      return part.ino == cell.ino &&
             (part.offset + part.length - 1) / kCellBytes + 1 == cell.number &&
             (cell.number + 1) * kCellBytes - part.offset <=
                 kMaxProfilePartBytes;
    };
    if (parts_.empty() || !goes_on(parts_.back())) {
      parts_.push_back({cell.number * kCellBytes, cell.ino, 0});
    }
    it->second = parts_.size() - 1;
    Match(cell);
  }
  ProfilePart& part = parts_[it->second];
  part.length = std::max(part.length, static_cast<uint32_t>(end - part.offset));
  if (parts_.size() > kMaxProfileParts) {
    too_long_ = true;
    Forget();
    wake_.NotifyAll();
    return false;
  }
  const auto found = places_.find(cell);
  if (found == places_.end()) return false;
  for (; reached_ <= found->second; ++reached_) {
    if (is_ahead_[reached_]) bytes_ahead_ -= followed_[reached_].length;
  }
  return true;
}

void AccessProfiles::Match(const Cell& cell) {
  const auto found = candidate_cells_.find(cell);
  if (found == candidate_cells_.end()) return;
  size_t best = follows_;
  for (size_t i = 0; i < known_.size(); ++i) {
    if (!found->second[i]) continue;
    if (++candidates_[i].seen > candidates_[best].seen) best = i;
  }
  if (best != follows_) Follow(best);
}

void AccessProfiles::Forget() {
  parts_.clear();
  seen_.clear();
  candidates_ = {};
  candidate_cells_.clear();
  followed_.clear();
  places_.clear();
}

void AccessProfiles::Begin(const Cell& first) {
  open_ = true;
  too_long_ = false;
  Forget();
  follows_ = known_.size();
  for (size_t i = 0; i < known_.size(); ++i) {
    const ProfilePart& front = known_[i].front();
    if (Cell{front.ino, front.offset / kCellBytes} != first) continue;
    for (const ProfilePart& part : known_[i]) {
      for (const Cell& cell : CellsOf(part)) {
        candidate_cells_[cell].set(i);
        ++candidates_[i].cells;
      }
    }
    if (follows_ == known_.size()) Follow(i);
  }
  while (threads_.size() < kThreads) {
    threads_.push_back(StartBackgroundThread([this] { Run(); }));
  }
  wake_.NotifyAll();
}

void AccessProfiles::Follow(size_t number) {
  follows_ = number;
  followed_ = known_[number];
  places_.clear();
  reached_ = decoded_ = needed_ = 0;
  is_ahead_.assign(followed_.size(), false);
  bytes_ahead_ = 0;
  for (size_t i = 0; i < followed_.size(); ++i) {
    for (const Cell& cell : CellsOf(followed_[i])) {
      places_.try_emplace(cell, i);
      if (seen_.contains(cell)) reached_ = i + 1;
    }
  }
}

bool AccessProfiles::WasSeen(const ProfilePart& part) const {
  for (const Cell& cell : CellsOf(part)) {
    if (!seen_.contains(cell)) return false;
  }
  return true;
}

bool AccessProfiles::MayGoOn() const {
  return decoded_ < followed_.size() && bytes_ahead_ < kMaxBytesAhead;
}

void AccessProfiles::Run() {
  MutexLock lock(mutex_);
  while (!stop_) {
    if (const bool walk = IsWalk(); walk != told_of_walk_) {
      told_of_walk_ = walk;
      lock.Unlock();
      Tell(walk);
      lock.Lock();
    } else if (!open_) {
      wake_.Wait(mutex_);
    } else if (MayGoOn()) {
      const size_t number = decoded_++;
      const ProfilePart part = followed_[number];
      if (WasSeen(part)) continue;
      if (number >= reached_) {
        is_ahead_[number] = true;
        bytes_ahead_ += part.length;
      }
      const size_t needed = std::min(followed_.size(), number + kMaxNeeded);
      AccessProfile ahead;
      for (; needed_ < needed; ++needed_) ahead.push_back(followed_[needed_]);
      lock.Unlock();
      {
        const BackgroundWork work(BackgroundWork::Kind::kSure);
        for (const ProfilePart& soon : ahead) will_need_(soon);
        decode_(part);
      }
      Tell(part);
      lock.Lock();
    } else if (const auto end = last_read_ + options_.pause;
               Clock::now() >= end) {
      const bool is_new = End();
      if (settled_ && !is_new) continue;
      settled_ = true;
      const std::vector<AccessProfile> known = known_;
      lock.Unlock();
      if (is_new) options_.save(known);
      if (options_.settle) options_.settle(known);
      lock.Lock();
    } else {
      (void)wake_.WaitUntil(mutex_, end);
    }
  }
}

bool AccessProfiles::End() {
  if (!open_) return false;
  open_ = false;
  followed_.clear();
  places_.clear();
  if (parts_.size() < kMinParts) return false;  // or too long
  const size_t cells = seen_.size();
  // When it repeats one there is nothing new.
  for (size_t i = 0; i < known_.size(); ++i) {
    const Candidate& it = candidates_[i];
    if (it.seen * 10 < cells * 9 || it.cells > cells * 2) continue;
    std::rotate(known_.begin(), known_.begin() + i, known_.begin() + i + 1);
    return false;
  }
  // It replaces those that have little else.
  for (size_t i = known_.size(); i-- > 0;) {
    const Candidate& it = candidates_[i];
    if (it.cells > 0 && it.seen * 10 >= it.cells * 9) {
      known_.erase(known_.begin() + i);
    }
  }
  known_.insert(known_.begin(), parts_);
  if (known_.size() > kMaxProfiles) known_.pop_back();
  return true;
}

}  // namespace imgmount
