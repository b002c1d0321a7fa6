// SPDX-License-Identifier: Apache-2.0
// DecodeAhead: threads that decode spans before somebody waits for them, for
// all readers of a process.
//
// Their work is only ever a head start: the queue is short, old requests give
// way to new ones, and errors are left to the reader who needs the span.
//
// Thread-safe.
#ifndef IMGMOUNT_FS_READ_DECODE_AHEAD_H_
#define IMGMOUNT_FS_READ_DECODE_AHEAD_H_

#include <compare>
#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "meta/base/mutex.h"
#include "meta/union/union_tree.h"

namespace imgmount {

// A span of a layer of an image, as one reader counts them.
struct LayerSpan {
  LayerPosition layer = 0;
  size_t span = 0;
  auto operator<=>(const LayerSpan&) const = default;
};

class DecodeAhead {
 public:
  // A reader that wants spans decoded.
  class Client {
   public:
    virtual ~Client() = default;
    // Called by several threads, between its first Want() and Leave().
    virtual void DecodeWanted(const LayerSpan& span) = 0;
  };

  // Threads start with the first request; a process that will fork has none.
  explicit DecodeAhead(int threads);
  // REQUIRES: no client is left.
  ~DecodeAhead();

  // Both return at once. The second one's spans are a guess: they are decoded
  // when nothing else is wanted, and no known profile is under way.
  void Want(Client& client, const LayerSpan& span) EXCLUDES(mutex_);
  void WantIfIdle(Client& client, const LayerSpan& span) EXCLUDES(mutex_);
  // Drops the client's requests, and waits for those that are under way.
  void Leave(Client& client) EXCLUDES(mutex_);

 private:
  struct Request {
    Client* client;
    LayerSpan span;
    bool operator==(const Request&) const = default;
  };
  using Queue = std::deque<Request>;
  void Want(Queue& queue, const Request& request) REQUIRES(mutex_);
  bool IsAtWorkFor(const Client& client) const REQUIRES(mutex_);
  void Run() EXCLUDES(mutex_);

  const size_t max_threads_;
  Mutex mutex_;
  CondVar wake_;
  CondVar done_;  // with a wish
  Queue wanted_ GUARDED_BY(mutex_);
  Queue guessed_ GUARDED_BY(mutex_);
  std::vector<Client*> at_work_for_ GUARDED_BY(mutex_);  // one for each thread
  bool stop_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_READ_DECODE_AHEAD_H_
