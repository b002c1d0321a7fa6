// SPDX-License-Identifier: Apache-2.0
#include "fs/read/decode_ahead.h"

#include <algorithm>

#include "fs/quiet_thread.h"

namespace imgmount {
namespace {

constexpr size_t kMaxWanted = 16;  // of each kind

}  // namespace

DecodeAhead::DecodeAhead(int threads)
    : max_threads_(static_cast<size_t>(std::max(threads, 0))) {}

DecodeAhead::~DecodeAhead() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    threads.swap(threads_);
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads) thread.join();
}

void DecodeAhead::Want(Client& client, const LayerSpan& span) {
  const MutexLock lock(mutex_);
  Want(wanted_, {&client, span});
}

void DecodeAhead::WantIfIdle(Client& client, const LayerSpan& span) {
  const MutexLock lock(mutex_);
  Want(guessed_, {&client, span});
}

void DecodeAhead::Want(Queue& queue, const Request& request) {
  if (max_threads_ == 0) return;
  if (std::find(queue.begin(), queue.end(), request) != queue.end()) return;
  if (queue.size() == kMaxWanted) queue.pop_front();
  queue.push_back(request);
  if (threads_.size() < max_threads_) {
    threads_.push_back(StartBackgroundThread([this] { Run(); }));
  }
  wake_.NotifyOne();
}

void DecodeAhead::Leave(Client& client) {
  const MutexLock lock(mutex_);
  for (Queue* queue : {&wanted_, &guessed_}) {
    std::erase_if(*queue,
                  [&](const Request& w) { return w.client == &client; });
  }
  while (IsAtWorkFor(client)) done_.Wait(mutex_);
}

bool DecodeAhead::IsAtWorkFor(const Client& client) const {
  return std::find(at_work_for_.begin(), at_work_for_.end(), &client) !=
         at_work_for_.end();
}

void DecodeAhead::Run() {
  MutexLock lock(mutex_);
  while (!stop_) {
    // Spans that are known to be needed go before any guess.
    if (BackgroundWork::Count(BackgroundWork::Kind::kSure) > 0) {
      guessed_.clear();
    }
    if (wanted_.empty() && guessed_.empty()) {
      wake_.Wait(mutex_);
      continue;
    }
    Queue& queue = wanted_.empty() ? guessed_ : wanted_;
    const Request request = queue.front();
    queue.pop_front();
    at_work_for_.push_back(request.client);
    lock.Unlock();
    {
      const BackgroundWork work(BackgroundWork::Kind::kLikely);
      request.client->DecodeWanted(request.span);
    }
    lock.Lock();
    at_work_for_.erase(
        std::find(at_work_for_.begin(), at_work_for_.end(), request.client));
    done_.NotifyAll();
  }
}

}  // namespace imgmount
