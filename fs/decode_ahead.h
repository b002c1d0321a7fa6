// DecodeAhead: threads that decode spans before somebody waits for them.
//
// What they do is only ever a head start: the queue is short, old wishes give
// way to new ones, and errors are left to the reader who needs the span.
#ifndef IMGMOUNT_FS_DECODE_AHEAD_H_
#define IMGMOUNT_FS_DECODE_AHEAD_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "fs/span_cache.h"

namespace imgmount {

class DecodeAhead {
 public:
  // Threads start with the first wish; a process that will fork has none.
  DecodeAhead(int threads, std::function<void(const SpanKey&)> decode);
  // Waits for the span that each thread is at.
  ~DecodeAhead();

  // Returns at once.
  void Want(const SpanKey& key);

 private:
  void Run();

  const size_t max_threads_;
  const std::function<void(const SpanKey&)> decode_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<SpanKey> wanted_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_DECODE_AHEAD_H_
