// SPDX-License-Identifier: Apache-2.0
// DecodeAhead: threads that decode spans before somebody waits for them.
//
// What they do is only ever a head start: the queue is short, old wishes give
// way to new ones, and errors are left to the reader who needs the span.
#ifndef IMGMOUNT_FS_READ_DECODE_AHEAD_H_
#define IMGMOUNT_FS_READ_DECODE_AHEAD_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "fs/read/span_cache.h"

namespace imgmount {

class DecodeAhead {
 public:
  // Threads start with the first wish; a process that will fork has none.
  DecodeAhead(int threads, std::function<void(const SpanKey&)> decode);
  // Waits for the span that each thread is at.
  ~DecodeAhead();

  // Both return at once. The second one's spans are a guess: they are decoded
  // when nothing else is wanted, and no known start is under way.
  void Want(const SpanKey& key) { Want(wanted_, key); }
  void WantIfIdle(const SpanKey& key) { Want(guessed_, key); }

 private:
  using Queue = std::deque<SpanKey>;
  void Want(Queue& queue, const SpanKey& key);
  void Run();

  const size_t max_threads_;
  const std::function<void(const SpanKey&)> decode_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Queue wanted_;
  Queue guessed_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_READ_DECODE_AHEAD_H_
