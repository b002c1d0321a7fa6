// SPDX-License-Identifier: Apache-2.0
// RangeFetcher: fetches the missing pieces of blobs, by ranges, over several
// connections.
//
// The most wanted comes first: what a read waits for; then what is expected
// to be read; then, while no read waits, everything else. A want becomes closed
// ranges of at most `most_at_once`, neighbours joined; a large one is shared
// out among the connections. As long as a blob's server has not shown that it
// knows ranges, one connection asks it; who sends more than was asked for
// sends, as a rule, the whole blob, and is not asked for anything else of it
// meanwhile.
//
// Pieces that other processes are at work on are waited for: looked at every
// 20 ms, as nothing wakes one thread of several out of fcntl(2).
//
// Threads start with the first want, so a process that will fork has none. A
// source may wait before it asks again; it occupies its connection so long.
// Thread-safe.
#ifndef IMGMOUNT_FETCH_RANGE_RANGE_FETCHER_H_
#define IMGMOUNT_FETCH_RANGE_RANGE_FETCHER_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fetch/source/source.h"
#include "meta/base/mutex.h"
#include "meta/base/result.h"
#include "meta/image/manifest.h"
#include "meta/layer/blob_source.h"
#include "meta/partial/partial_blob.h"

namespace imgmount {

struct RangeFetcherOptions {
  size_t connections = 4;
  // Bytes of one request, and of one that a large want is shared out in.
  uint64_t most_at_once = 16 << 20;
  uint64_t share_at_least = 1 << 20;
  // Where less is wanted, what follows comes along, if it is missing.
  uint64_t least_at_once = 256 << 10;
  // How long a read waits while the network or the server is away; 0: for as
  // long as the source itself tries, once.
  std::chrono::milliseconds patience{60'000};
};

// Events of one blob, from the threads that fetch it, until the fetcher's
// end. Must not call it.
struct RangeFetcherEvents {
  std::function<void(uint64_t bytes)> on_arrived = nullptr;  // so many more
  // See BlobSink.
  std::function<void(int seconds)> on_retry_in = nullptr;
  std::function<void(const std::string& text)> on_notice = nullptr;
  std::function<bool()> stopped = nullptr;
};

class RangeFetcher {
 public:
  using Options = RangeFetcherOptions;
  enum class Priority { kRead, kPrefetch, kFill };

  // One of the blobs that it fetches.
  class Blob;
  using Events = RangeFetcherEvents;

  explicit RangeFetcher(Options options);
  // Ends transfers; who still waits gets kCancelled.
  ~RangeFetcher();
  RangeFetcher(const RangeFetcher&) = delete;
  RangeFetcher& operator=(const RangeFetcher&) = delete;

  // The source outlives the fetcher. The blob gets so many of its connections
  // at most (0: any number); one alone asks for all that follows at once.
  std::shared_ptr<Blob> Add(Source& source, const Descriptor& descriptor,
                            std::shared_ptr<PartialBlob> bytes,
                            Events events = {}, size_t connections = 0);
  // It is not wanted any more: nobody is called.
  void Remove(const std::shared_ptr<Blob>& blob);

  // Pieces are wanted until they are here or the wait is destroyed; see
  // BlobSource::Await(). Null: they are.
  std::unique_ptr<BlobWait> Await(const std::shared_ptr<Blob>& blob,
                                  PieceRun run, Priority priority,
                                  BlobSource::Arrived arrived);
  // Wanted, but nobody waits: of many such wishes the oldest are forgotten.
  void Prefetch(const std::shared_ptr<Blob>& blob, PieceRun run);
  // Nothing from this piece on is fetched; a transfer that comes to it waits.
  // There is no limit at first.
  void SetLimit(const std::shared_ptr<Blob>& blob, uint64_t piece);

 private:
  using Clock = std::chrono::steady_clock;
  class Ticket;
  class Wait;
  struct Want;
  class Job;
  using Wants = std::list<Want>;
  // Whom to call once no lock is held.
  using Calls = std::vector<std::pair<std::shared_ptr<Ticket>, Status>>;

  Wants& WantsOf(Priority priority) REQUIRES(mutex_) {
    return wants_[static_cast<size_t>(priority)];
  }
  void Work() EXCLUDES(mutex_);
  void Watch() EXCLUDES(mutex_);
  std::unique_ptr<Job> PickJob(Calls& calls) REQUIRES(mutex_);
  std::unique_ptr<Job> JobFor(const Want& want, Priority priority)
      REQUIRES(mutex_);
  bool MayStart(Priority priority) const REQUIRES(mutex_);
  PieceRun Join(const Want& want) const REQUIRES(mutex_);
  uint64_t ShareOf(const Want& want, PieceRun run, Priority priority) const
      REQUIRES(mutex_);
  void Settle(const Job& job, const Status& result, Calls& calls)
      REQUIRES(mutex_);
  // Looks what has come of a want; true when it is over.
  bool Advance(Want& want, Calls& calls) REQUIRES(mutex_);
  void AdvanceAll(const Blob* blob, std::optional<uint64_t> stored,
                  Calls& calls) REQUIRES(mutex_);
  void Expire(Clock::time_point now, Calls& calls) REQUIRES(mutex_);
  std::optional<Clock::time_point> NextMoment() const REQUIRES(mutex_);
  void MoreWork() REQUIRES(mutex_);

  const Options options_;
  mutable Mutex mutex_;
  CondVar work_;   // there may be a job
  CondVar watch_;  // a moment to wait for may have changed
  CondVar limit_;  // a limit has
  bool stop_ GUARDED_BY(mutex_) = false;
  std::array<Wants, 3> wants_ GUARDED_BY(mutex_);
  std::array<size_t, 3> under_way_ GUARDED_BY(mutex_) = {};  // jobs
  uint64_t fill_share_ GUARDED_BY(mutex_);                   // pieces
  size_t idle_ GUARDED_BY(mutex_) = 0;                       // workers
  // Both grow under the mutex until stop_.
  std::vector<std::thread> threads_;
  std::thread watcher_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_RANGE_RANGE_FETCHER_H_
