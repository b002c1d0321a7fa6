#include "fs/starts.h"

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
void Starts::ForEachCell(const StartPart& part, Use&& use) {
  const uint64_t end = part.offset + part.length;
  for (uint64_t n = part.offset / kCellBytes; n * kCellBytes < end; ++n) {
    use(Cell{n, part.layer});
  }
}

Starts::Starts(StartsOptions options, Work will_need, Work decode)
    : options_(std::move(options)),
      will_need_(std::move(will_need)),
      decode_(std::move(decode)),
      known_(options_.known) {}

Starts::~Starts() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  if (End()) options_.save(known_);
}

bool Starts::OnRead(LayerPosition layer, uint64_t offset, uint64_t length) {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (!open_) Begin({offset / kCellBytes, layer});
  last_read_ = now;
  bool foreseen = true;
  for (uint64_t at = offset; at < offset + length && !too_long_;) {
    const Cell cell{at / kCellBytes, layer};
    at = std::min(offset + length, (cell.number + 1) * kCellBytes);
    foreseen = ReadCell(cell, at) && foreseen;
  }
  if (MayGoOn()) wake_.notify_all();
  return foreseen && !too_long_;
}

bool Starts::ReadCell(const Cell& cell, uint64_t end) {
  const auto [it, is_new] = seen_.try_emplace(cell);
  if (is_new) {
    const auto goes_on = [&](const StartPart& part) {
      return part.layer == cell.layer &&
             (part.offset + part.length - 1) / kCellBytes + 1 == cell.number &&
             (cell.number + 1) * kCellBytes - part.offset <= kMaxStartPartBytes;
    };
    if (parts_.empty() || !goes_on(parts_.back())) {
      parts_.push_back({cell.number * kCellBytes, 0, cell.layer});
    }
    it->second = parts_.size() - 1;
    Match(cell);
  }
  StartPart& part = parts_[it->second];
  part.length = std::max(part.length, static_cast<uint32_t>(end - part.offset));
  if (parts_.size() > kMaxStartParts) {
    too_long_ = true;
    Forget();
    return false;
  }
  const auto found = places_.find(cell);
  if (found == places_.end()) return false;
  for (; reached_ <= found->second; ++reached_) {
    if (reached_ < decoded_) bytes_ahead_ -= followed_[reached_].length;
  }
  return true;
}

void Starts::Match(const Cell& cell) {
  const auto found = candidate_cells_.find(cell);
  if (found == candidate_cells_.end()) return;
  size_t best = follows_;
  for (size_t i = 0; i < known_.size(); ++i) {
    if (!found->second[i]) continue;
    if (++candidates_[i].seen > candidates_[best].seen) best = i;
  }
  if (best != follows_) Follow(best);
}

void Starts::Forget() {
  parts_.clear();
  seen_.clear();
  candidates_ = {};
  candidate_cells_.clear();
  followed_.clear();
  places_.clear();
}

void Starts::Begin(const Cell& first) {
  open_ = true;
  too_long_ = false;
  Forget();
  follows_ = known_.size();
  for (size_t i = 0; i < known_.size(); ++i) {
    const StartPart& front = known_[i].front();
    if (Cell{front.offset / kCellBytes, front.layer} != first) continue;
    candidates_[i].alike = true;
    for (const StartPart& part : known_[i]) {
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

void Starts::Follow(size_t number) {
  follows_ = number;
  followed_ = known_[number];
  places_.clear();
  reached_ = decoded_ = needed_ = 0;
  bytes_ahead_ = 0;
  for (size_t i = 0; i < followed_.size(); ++i) {
    ForEachCell(followed_[i], [&](const Cell& cell) {
      places_.try_emplace(cell, i);
      if (seen_.contains(cell)) reached_ = i + 1;
    });
  }
}

bool Starts::MayGoOn() const {
  return decoded_ < followed_.size() && bytes_ahead_ < kMaxBytesAhead;
}

void Starts::Run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!open_) {
      wake_.wait(lock);
    } else if (MayGoOn()) {
      const size_t number = decoded_++;
      const StartPart part = followed_[number];
      // What the program has come to is its own business.
      if (number < reached_) continue;
      bytes_ahead_ += part.length;
      const size_t needed = std::min(followed_.size(), number + kMaxNeeded);
      ProgramStart ahead;
      for (; needed_ < needed; ++needed_) ahead.push_back(followed_[needed_]);
      lock.unlock();
      {
        const BackgroundWork work;
        for (const StartPart& soon : ahead) will_need_(soon);
        decode_(part);
      }
      lock.lock();
    } else if (const auto end = last_read_ + options_.pause;
               Clock::now() >= end) {
      if (!End()) continue;
      const std::vector<ProgramStart> known = known_;
      lock.unlock();
      options_.save(known);
      lock.lock();
    } else {
      wake_.wait_until(lock, end);
    }
  }
}

bool Starts::End() {
  if (!open_) return false;
  open_ = false;
  followed_.clear();
  places_.clear();
  if (parts_.size() < kMinParts) return false;  // or too long
  const size_t cells = seen_.size();
  for (size_t i = 0; i < known_.size(); ++i) {
    const Candidate& it = candidates_[i];
    if (it.seen * 10 < cells * 9 || it.cells > cells * 2) continue;
    std::rotate(known_.begin(), known_.begin() + i, known_.begin() + i + 1);
    return false;
  }
  // It replaces those that have little else.
  for (size_t i = known_.size(); i-- > 0;) {
    const Candidate& it = candidates_[i];
    if (it.alike && it.seen * 10 >= it.cells * 9) {
      known_.erase(known_.begin() + i);
    }
  }
  known_.insert(known_.begin(), parts_);
  if (known_.size() > kMaxStarts) known_.pop_back();
  return true;
}

}  // namespace imgmount
