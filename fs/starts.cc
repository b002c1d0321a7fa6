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

// Whether most of what a start read is known of an earlier one.
bool Repeats(const ProgramStart& start, const ProgramStart& known) {
  const auto is_known = [&](const StartPart& part) {
    return std::any_of(known.begin(), known.end(), [&](const StartPart& k) {
      return k.layer == part.layer && k.offset == part.offset &&
             k.length >= part.length;
    });
  };
  const auto repeated = std::count_if(start.begin(), start.end(), is_known);
  return static_cast<size_t>(repeated) * 10 >= start.size() * 9 &&
         start.size() * 2 >= known.size();
}

}  // namespace

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

bool Starts::OnRead(LayerPosition layer, uint64_t offset, uint32_t length) {
  const Place place{layer, offset};
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (!open_) Begin(place);
  last_read_ = now;
  if (too_long_) return false;
  const auto [it, is_new] = seen_.try_emplace(place, parts_.size());
  if (!is_new) {
    uint32_t& known_length = parts_[it->second].length;
    known_length = std::max(known_length, length);
    return places_.contains(place);
  }
  if (parts_.size() == kMaxStartParts) {
    too_long_ = true;
    parts_.clear();
    seen_.clear();
    followed_.clear();
    places_.clear();
    return false;
  }
  parts_.push_back({offset, length, layer});
  const auto found = places_.find(place);
  if (found == places_.end()) return false;
  for (; reached_ <= found->second; ++reached_) {
    if (reached_ < decoded_) {
      bytes_ahead_ -= followed_[reached_].length;
    }
  }
  if (MayGoOn()) wake_.notify_all();
  return true;
}

void Starts::Begin(Place first) {
  open_ = true;
  too_long_ = false;
  parts_.clear();
  seen_.clear();
  followed_.clear();
  places_.clear();
  reached_ = decoded_ = needed_ = 0;
  bytes_ahead_ = 0;
  for (const ProgramStart& start : known_) {
    if (Place(start.front().layer, start.front().offset) != first) continue;
    followed_ = start;
    for (size_t i = 0; i < start.size(); ++i) {
      places_.try_emplace({start[i].layer, start[i].offset}, i);
    }
    break;
  }
  while (threads_.size() < kThreads) {
    threads_.push_back(StartBackgroundThread([this] { Run(); }));
  }
  wake_.notify_all();
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
      for (const StartPart& soon : ahead) will_need_(soon);
      decode_(part);
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
  if (too_long_ || parts_.size() < kMinParts) return false;
  const auto same = std::find_if(
      known_.begin(), known_.end(), [this](const ProgramStart& start) {
        return start.front().layer == parts_.front().layer &&
               start.front().offset == parts_.front().offset;
      });
  if (same != known_.end()) {
    if (Repeats(parts_, *same)) return false;
    known_.erase(same);
  }
  known_.insert(known_.begin(), parts_);
  if (known_.size() > kMaxStarts) known_.pop_back();
  return true;
}

}  // namespace imgmount
