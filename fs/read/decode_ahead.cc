// SPDX-License-Identifier: Apache-2.0
#include "fs/read/decode_ahead.h"

#include <algorithm>
#include <utility>

#include "fs/quiet_thread.h"

namespace imgmount {
namespace {

constexpr size_t kMaxWanted = 16;  // of each kind

}  // namespace

DecodeAhead::DecodeAhead(int threads,
                         std::function<void(const SpanKey&)> decode)
    : max_threads_(static_cast<size_t>(std::max(threads, 0))),
      decode_(std::move(decode)) {}

DecodeAhead::~DecodeAhead() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void DecodeAhead::Want(Queue& queue, const SpanKey& key) {
  if (max_threads_ == 0) return;
  const std::lock_guard lock(mutex_);
  if (std::find(queue.begin(), queue.end(), key) != queue.end()) return;
  if (queue.size() == kMaxWanted) queue.pop_front();
  queue.push_back(key);
  if (threads_.size() < max_threads_) {
    threads_.push_back(StartBackgroundThread([this] { Run(); }));
  }
  wake_.notify_one();
}

void DecodeAhead::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] {
      return stop_ || !wanted_.empty() || !guessed_.empty();
    });
    if (stop_) return;
    // What is known to be needed goes before any guess.
    if (BackgroundWork::Count(BackgroundWork::Kind::kSure) > 0) {
      guessed_.clear();
      if (wanted_.empty()) continue;
    }
    Queue& queue = wanted_.empty() ? guessed_ : wanted_;
    const SpanKey key = queue.front();
    queue.pop_front();
    lock.unlock();
    {
      const BackgroundWork work(BackgroundWork::Kind::kLikely);
      decode_(key);
    }
    lock.lock();
  }
}

}  // namespace imgmount
