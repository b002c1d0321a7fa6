// SPDX-License-Identifier: Apache-2.0
#include "fs/read/access_profiles.h"

#include <algorithm>

#include "fs/quiet_thread.h"

namespace imgmount {
namespace {

constexpr size_t kThreads = 2;
// What is decoded ahead must still be in the span cache when it is needed.
constexpr uint64_t kMaxBytesAhead = 24 << 20;
constexpr size_t kMaxNeeded = 32;  // parts that the kernel fetches ahead
// Fewer are quickly decoded without help.
constexpr size_t kMinParts = 3;

}  // namespace

template <typename Use>
void AccessProfiles::ForEachCell(const ProfilePart& part, Use&& use) {
  const uint64_t end = part.offset + part.length;
  for (uint64_t n = part.offset / kCellBytes; n * kCellBytes < end; ++n) {
    use(Cell{part.ino, n});
  }
}

AccessProfiles::AccessProfiles(AccessProfilesOptions options, Work will_need,
                               Work decode)
    : options_(std::move(options)),
      will_need_(std::move(will_need)),
      decode_(std::move(decode)),
      known_(options_.known) {}

AccessProfiles::~AccessProfiles() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  if (End()) options_.save(known_);
}

void AccessProfiles::SetListener(Listener listener) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = std::move(listener);
}

void AccessProfiles::Tell(bool is_walk) {
  const std::lock_guard lock(listener_mutex_);
  if (listener_.on_walk) listener_.on_walk(is_walk);
}

void AccessProfiles::Tell(const ProfilePart& decoded) {
  const std::lock_guard lock(listener_mutex_);
  if (listener_.on_decoded) listener_.on_decoded(decoded);
}

bool AccessProfiles::OnRead(Ino ino, uint64_t offset, uint64_t length) {
  const auto now = Clock::now();
  const auto number = static_cast<uint32_t>(ino.number());
  const std::lock_guard lock(mutex_);
  if (!open_) Begin({number, offset / kCellBytes});
  last_read_ = now;
  bool foreseen = true;
  for (uint64_t at = offset; at < offset + length && !too_long_;) {
    const Cell cell{number, at / kCellBytes};
    at = std::min(offset + length, (cell.number + 1) * kCellBytes);
    foreseen = AddCell(cell, at) && foreseen;
  }
  if (MayGoOn()) wake_.notify_all();
  return foreseen && !too_long_;
}

void AccessProfiles::OnStored(const ProfilePart& part) {
  const std::lock_guard lock(mutex_);
  if (!open_ || too_long_) return;
  const uint64_t end = part.offset + part.length;
  ForEachCell(part, [&](const Cell& cell) {
    if (too_long_) return;
    (void)AddCell(cell, std::min(end, (cell.number + 1) * kCellBytes));
  });
  if (MayGoOn()) wake_.notify_all();
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
    wake_.notify_all();
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
      ForEachCell(part, [&](const Cell& cell) {
        candidate_cells_[cell].set(i);
        ++candidates_[i].cells;
      });
    }
    if (follows_ == known_.size()) Follow(i);
  }
  while (threads_.size() < kThreads) {
    threads_.push_back(StartBackgroundThread([this] { Run(); }));
  }
  wake_.notify_all();
}

void AccessProfiles::Follow(size_t number) {
  follows_ = number;
  followed_ = known_[number];
  places_.clear();
  reached_ = decoded_ = needed_ = 0;
  is_ahead_.assign(followed_.size(), false);
  bytes_ahead_ = 0;
  for (size_t i = 0; i < followed_.size(); ++i) {
    ForEachCell(followed_[i], [&](const Cell& cell) {
      places_.try_emplace(cell, i);
      if (seen_.contains(cell)) reached_ = i + 1;
    });
  }
}

bool AccessProfiles::WasSeen(const ProfilePart& part) const {
  bool seen = true;
  ForEachCell(part, [&](const Cell& c) { seen = seen && seen_.contains(c); });
  return seen;
}

bool AccessProfiles::MayGoOn() const {
  return decoded_ < followed_.size() && bytes_ahead_ < kMaxBytesAhead;
}

void AccessProfiles::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (const bool walk = IsWalk(); walk != told_of_walk_) {
      told_of_walk_ = walk;
      lock.unlock();
      Tell(walk);
      lock.lock();
    } else if (!open_) {
      wake_.wait(lock);
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
      lock.unlock();
      {
        const BackgroundWork work(BackgroundWork::Kind::kSure);
        for (const ProfilePart& soon : ahead) will_need_(soon);
        decode_(part);
      }
      Tell(part);
      lock.lock();
    } else if (const auto end = last_read_ + options_.pause;
               Clock::now() >= end) {
      const bool is_new = End();
      if (settled_ && !is_new) continue;
      settled_ = true;
      const std::vector<AccessProfile> known = known_;
      lock.unlock();
      if (is_new) options_.save(known);
      if (options_.settle) options_.settle(known);
      lock.lock();
    } else {
      wake_.wait_until(lock, end);
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
