// SPDX-License-Identifier: Apache-2.0
#include "fetch/range/range_fetcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "fetch/range/piece_sink.h"
#include "meta/base/quiet_thread.h"

namespace imgmount {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kBetweenLooksAtOthers{20};
constexpr size_t kMaxPrefetches = 64;
// After a failure, doubled by each further one.
constexpr milliseconds kFirstPause{500};
constexpr milliseconds kLongestPause{10'000};
// A first request while nobody waits is for so much: who comes to wait
// should not find much under way.
constexpr uint64_t kFirstFillShare = 1 << 20;

uint64_t InPieces(uint64_t bytes) {
  return std::max<uint64_t>(bytes / kPieceBytes, 1);
}

}  // namespace

// The fetcher's mutex guards what is not const.
class RangeFetcher::Blob {
 public:
  Blob(Source& from, Descriptor what, std::shared_ptr<PartialBlob> into,
       Events whom, size_t connections_at_most, bool is_asked_for_at_once)
      : source(from),
        descriptor(std::move(what)),
        bytes(std::move(into)),
        events(std::move(whom)),
        most_connections(connections_at_most),
        asked_for_at_once(is_asked_for_at_once),
        limit(bytes->all().end) {}

  Source& source;
  const Descriptor descriptor;
  const std::shared_ptr<PartialBlob> bytes;
  const Events events;
  const size_t most_connections;
  const bool asked_for_at_once;  // all that is missing from some piece on

  bool removed = false;
  uint64_t limit;  // a piece
  size_t connections = 0;
  bool knows_ranges = false;
  // Where the transfer is that brings all that follows, when there is one.
  std::optional<uint64_t> long_answer_at;
  int failures = 0;  // in a row
  Clock::time_point not_before;
  std::optional<Error> last_error;
};

// A call that is made once or never.
class RangeFetcher::Ticket {
 public:
  explicit Ticket(BlobSource::Arrived arrived) : arrived_(std::move(arrived)) {}
  void Call(const Status& status) {
    if (const auto arrived = Take()) arrived(status);
  }
  void Cancel() { (void)Take(); }
  bool cancelled() const {
    const MutexLock lock(mutex_);
    return arrived_ == nullptr;
  }

 private:
  BlobSource::Arrived Take() {
    const MutexLock lock(mutex_);
    return std::exchange(arrived_, nullptr);
  }
  mutable Mutex mutex_;
  BlobSource::Arrived arrived_ GUARDED_BY(mutex_);
};

class RangeFetcher::Wait : public BlobWait {
 public:
  explicit Wait(std::shared_ptr<Ticket> ticket) : ticket_(std::move(ticket)) {}
  ~Wait() override { ticket_->Cancel(); }

 private:
  const std::shared_ptr<Ticket> ticket_;
};

struct RangeFetcher::Want {
  std::shared_ptr<Blob> blob;
  PieceRun left;                   // from the first piece that is not here on
  std::shared_ptr<Ticket> ticket;  // null: nobody waits
  std::optional<Clock::time_point> deadline;
};

// One request, from the claim on its pieces to its end.
class RangeFetcher::Job : public PieceReceiver {
 public:
  Job(RangeFetcher& fetcher, std::shared_ptr<Blob> what, Priority how,
      PartialBlob::Claim claim)
      : blob(std::move(what)),
        priority(how),
        asked(claim.run()),
        fetcher_(fetcher),
        sink_(*blob->bytes, std::move(claim), *this) {}

  const std::shared_ptr<Blob> blob;
  const Priority priority;
  const PieceRun asked;
  bool is_long_answer = false;
  bool is_refused = false;  // by ourselves: it would have come twice

  Status Run() {
    const uint64_t end =
        std::min(asked.end * kPieceBytes, blob->descriptor.size);
    try {
      IMGMOUNT_CHECK(blob->source.FetchRange(blob->descriptor,
                                             asked.first_byte(), end, sink_));
    } catch (const std::exception& exception) {
      return Fail(ErrorCode::kInternal, exception.what());
    }
    if (sink_.missing().empty()) return {};
    return Fail(ErrorCode::kCorrupt,
                fmt::format("shorter than the {} bytes its descriptor says",
                            blob->descriptor.size));
  }

  Status OnAnswer(PieceRun run, bool is_more) override {
    const MutexLock lock(fetcher_.mutex_);
    if (is_more && blob->long_answer_at && !is_long_answer) {
      is_refused = true;
      return Fail(ErrorCode::kCancelled, "comes over another connection");
    }
    if (is_more) {
      is_long_answer = true;
      blob->long_answer_at = run.first;
    } else if (!blob->knows_ranges) {
      blob->knows_ranges = true;
      fetcher_.MoreWork();
    }
    return {};
  }

  Status OnReached(uint64_t piece) override {
    const MutexLock lock(fetcher_.mutex_);
    if (is_long_answer) blob->long_answer_at = piece;
    while (piece >= blob->limit && !Stopped()) {
      fetcher_.limit_.Wait(fetcher_.mutex_);
    }
    return Stopped() ? Fail(ErrorCode::kCancelled, "interrupted") : Status();
  }

  void OnStored(uint64_t piece, uint64_t bytes) override {
    if (blob->events.on_arrived) blob->events.on_arrived(bytes);
    Calls calls;
    {
      const MutexLock lock(fetcher_.mutex_);
      blob->failures = 0;
      fetcher_.AdvanceAll(blob.get(), piece, calls);
    }
    for (auto& [ticket, status] : calls) ticket->Call(status);
  }

  void OnRetryIn(int seconds) override {
    if (blob->events.on_retry_in) blob->events.on_retry_in(seconds);
  }

  void OnNotice(const std::string& text) override {
    if (blob->events.on_notice) blob->events.on_notice(text);
  }

  bool stopped() const override {
    const MutexLock lock(fetcher_.mutex_);
    return Stopped();
  }

 private:
  bool Stopped() const REQUIRES(fetcher_.mutex_) {
    return fetcher_.stop_ || blob->removed ||
           (blob->events.stopped && blob->events.stopped());
  }

  RangeFetcher& fetcher_;
  PieceSink sink_;
};

RangeFetcher::RangeFetcher(Options options)
    : options_(options), fill_share_(InPieces(kFirstFillShare)) {}

RangeFetcher::~RangeFetcher() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    work_.NotifyAll();
    watch_.NotifyAll();
    limit_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  if (watcher_.joinable()) watcher_.join();
  for (Wants& wants : wants_) {
    for (const Want& want : wants) {
      if (!want.ticket) continue;
      want.ticket->Call(Fail(ErrorCode::kCancelled, "interrupted"));
    }
  }
}

std::shared_ptr<RangeFetcher::Blob> RangeFetcher::Add(
    Source& source, const Descriptor& descriptor,
    std::shared_ptr<PartialBlob> bytes, Events events, size_t connections) {
  return std::make_shared<Blob>(
      source, descriptor, std::move(bytes), std::move(events),
      connections == 0 ? options_.connections : connections, connections == 1);
}

void RangeFetcher::Remove(const std::shared_ptr<Blob>& blob) {
  Wants removed;
  const MutexLock lock(mutex_);
  blob->removed = true;
  for (Wants& wants : wants_) {
    for (auto it = wants.begin(); it != wants.end();) {
      const auto next = std::next(it);
      if (it->blob == blob) {
        if (it->ticket) it->ticket->Cancel();
        removed.splice(removed.end(), wants, it);
      }
      it = next;
    }
  }
  limit_.NotifyAll();
}

std::unique_ptr<BlobWait> RangeFetcher::Await(const std::shared_ptr<Blob>& blob,
                                              PieceRun run, Priority priority,
                                              BlobSource::Arrived arrived) {
  const MutexLock lock(mutex_);
  run = Intersect(run, blob->bytes->all());
  // Whoever reads the bytes is told what is wrong with the file.
  const auto missing = blob->bytes->FirstMissing(run, 1);
  if (!missing || missing->empty()) return nullptr;
  run.first = missing->first;
  const auto ticket = std::make_shared<Ticket>(std::move(arrived));
  Want want{blob, run, ticket, {}};
  if (priority == Priority::kRead) {
    fill_share_ = InPieces(kFirstFillShare);
    if (options_.patience.count() > 0) {
      want.deadline = Clock::now() + options_.patience;
    }
  }
  WantsOf(priority).push_back(std::move(want));
  if (!watcher_.joinable()) watcher_ = StartQuietThread([this] { Watch(); });
  if (!blob->bytes->HasClaimed(run.first)) watch_.NotifyOne();
  MoreWork();
  return std::make_unique<Wait>(ticket);
}

void RangeFetcher::Prefetch(const std::shared_ptr<Blob>& blob, PieceRun run) {
  const MutexLock lock(mutex_);
  run = Intersect(run, blob->bytes->all());
  const auto missing = blob->bytes->FirstMissing(run, 1);
  if (!missing || missing->empty()) return;
  run.first = missing->first;
  Wants& wants = WantsOf(Priority::kPrefetch);
  wants.push_back({blob, run, nullptr, {}});
  if (wants.size() > kMaxPrefetches) wants.pop_front();
  MoreWork();
}

void RangeFetcher::SetLimit(const std::shared_ptr<Blob>& blob, uint64_t piece) {
  const MutexLock lock(mutex_);
  if (blob->limit == piece) return;
  blob->limit = piece;
  limit_.NotifyAll();
  MoreWork();
}

// A worker that finds a job calls it again, so that as many begin as there are
// jobs for.
void RangeFetcher::MoreWork() {
  if (idle_ > 0) {
    work_.NotifyOne();
  } else if (!stop_ && threads_.size() < options_.connections) {
    threads_.push_back(StartQuietThread([this] { Work(); }));
  }
}

void RangeFetcher::Work() {
  MutexLock lock(mutex_);
  while (!stop_) {
    Calls calls;
    auto job = PickJob(calls);
    if (!job && calls.empty()) {
      ++idle_;
      work_.Wait(mutex_);
      --idle_;
      continue;
    }
    if (job) {
      ++under_way_[static_cast<size_t>(job->priority)];
      ++job->blob->connections;
      MoreWork();
      lock.Unlock();
      const Status result = job->Run();
      lock.Lock();
      Settle(*job, result, calls);
    }
    lock.Unlock();
    job.reset();
    for (auto& [ticket, status] : calls) ticket->Call(status);
    calls.clear();
    lock.Lock();
  }
}

void RangeFetcher::Watch() {
  MutexLock lock(mutex_);
  while (!stop_) {
    if (const auto moment = NextMoment()) {
      watch_.WaitUntil(mutex_, *moment);
    } else {
      watch_.Wait(mutex_);
    }
    Calls calls;
    AdvanceAll(nullptr, {}, calls);
    Expire(Clock::now(), calls);
    MoreWork();
    lock.Unlock();
    for (auto& [ticket, status] : calls) ticket->Call(status);
    calls.clear();
    lock.Lock();
  }
}

// When something may have become of a want without a thread of ours.
std::optional<RangeFetcher::Clock::time_point> RangeFetcher::NextMoment()
    const {
  const Clock::time_point now = Clock::now();
  std::optional<Clock::time_point> moment;
  const auto also = [&](Clock::time_point other) {
    moment = moment ? std::min(*moment, other) : other;
  };
  for (const Wants& wants : wants_) {
    for (const Want& want : wants) {
      if (want.deadline) also(*want.deadline);
      if (want.blob->not_before > now) also(want.blob->not_before);
      const auto others = want.blob->bytes->IsClaimedByOthers(want.left.first);
      if (others && *others) also(now + kBetweenLooksAtOthers);
    }
  }
  return moment;
}

bool RangeFetcher::MayStart(Priority priority) const {
  const size_t prefetches =
      under_way_[static_cast<size_t>(Priority::kPrefetch)];
  const size_t fills = under_way_[static_cast<size_t>(Priority::kFill)];
  switch (priority) {
    case Priority::kRead:
      return true;
    case Priority::kPrefetch:
      // One connection is for whoever comes to wait.
      return prefetches + fills < std::max<size_t>(options_.connections - 1, 1);
    case Priority::kFill:
      return wants_[static_cast<size_t>(Priority::kRead)].empty() && fills == 0;
  }
  return false;
}

std::unique_ptr<RangeFetcher::Job> RangeFetcher::PickJob(Calls& calls) {
  for (const Priority priority :
       {Priority::kRead, Priority::kPrefetch, Priority::kFill}) {
    Wants& wants = WantsOf(priority);
    for (auto it = wants.begin(); it != wants.end() && MayStart(priority);) {
      const auto next = std::next(it);
      if ((it->ticket && it->ticket->cancelled()) || Advance(*it, calls)) {
        wants.erase(it);
      } else if (auto job = JobFor(*it, priority)) {
        return job;
      }
      it = next;
    }
  }
  return nullptr;
}

std::unique_ptr<RangeFetcher::Job> RangeFetcher::JobFor(const Want& want,
                                                        Priority priority) {
  const Blob& blob = *want.blob;
  if (blob.connections >= blob.most_connections) return nullptr;
  if (!blob.knows_ranges && blob.connections > 0) return nullptr;
  if (Clock::now() < blob.not_before) return nullptr;
  PieceRun may{0, blob.limit};
  if (blob.long_answer_at) may.end = std::min(may.end, *blob.long_answer_at);
  const PieceRun run = Intersect(Join(want), may);
  if (run.empty()) return nullptr;
  // An error shows again when the piece is stored or read.
  auto claim = blob.bytes->ClaimMissing(run, ShareOf(want, run, priority));
  // Pieces that only come along are not worth a request.
  if (claim && *claim && (*claim)->run().first < want.left.end) {
    return std::make_unique<Job>(*this, want.blob, priority,
                                 *std::move(*claim));
  }
  if (!blob.bytes->HasClaimed(want.left.first)) watch_.NotifyOne();
  return nullptr;
}

// The want with what else is expected to be read right after it.
PieceRun RangeFetcher::Join(const Want& want) const {
  PieceRun run = want.left;
  run.end = std::max(run.end, run.first + InPieces(options_.least_at_once));
  for (bool longer = true; longer;) {
    longer = false;
    for (const Priority priority : {Priority::kRead, Priority::kPrefetch}) {
      for (const Want& other : wants_[static_cast<size_t>(priority)]) {
        if (other.blob != want.blob || other.left.first < run.first ||
            other.left.first > run.end || other.left.end <= run.end) {
          continue;
        }
        run.end = other.left.end;
        longer = true;
      }
    }
  }
  return Intersect(run, want.blob->bytes->all());
}

// How many pieces of the run one request asks for. Shares get smaller towards
// its end, so that all connections come to it at about the same time.
uint64_t RangeFetcher::ShareOf(const Want& want, PieceRun run,
                               Priority priority) const {
  const uint64_t most = InPieces(options_.most_at_once);
  const size_t connections = want.blob->most_connections;
  if (priority == Priority::kFill) return std::min(fill_share_, most);
  if (want.blob->asked_for_at_once) return run.count();
  if (connections <= 1) return most;
  const uint64_t here = want.blob->bytes->CountHere(run).value_or(0);
  const uint64_t share = (run.count() - here) / (2 * connections);
  return std::min(std::max(share, InPieces(options_.share_at_least)), most);
}

void RangeFetcher::Settle(const Job& job, const Status& result, Calls& calls) {
  Blob& blob = *job.blob;
  --under_way_[static_cast<size_t>(job.priority)];
  --blob.connections;
  if (job.is_long_answer) blob.long_answer_at.reset();
  if (result) {
    if (job.priority == Priority::kFill) fill_share_ *= 2;
    return;
  }
  if (stop_ || blob.removed || job.is_refused) return;

  const bool may_pass = result.error().code() == ErrorCode::kUnavailable;
  bool any_waits = false;
  for (const Priority priority :
       {Priority::kRead, Priority::kPrefetch, Priority::kFill}) {
    Wants& wants = WantsOf(priority);
    for (auto it = wants.begin(); it != wants.end();) {
      const auto next = std::next(it);
      const bool is_concerned =
          it->blob.get() == &blob &&
          (job.is_long_answer || !Intersect(it->left, job.asked).empty());
      const bool waits =
          may_pass && (it->deadline || priority == Priority::kFill);
      if (is_concerned && !waits) {
        if (it->ticket) calls.emplace_back(it->ticket, result);
        wants.erase(it);
      } else if (is_concerned) {
        any_waits = true;
      }
      it = next;
    }
  }
  if (!any_waits) return;
  blob.last_error = result.error();
  const int doublings = std::min(blob.failures++, 10);
  blob.not_before =
      Clock::now() + std::min(kFirstPause * (1 << doublings), kLongestPause);
  watch_.NotifyOne();
}

bool RangeFetcher::Advance(Want& want, Calls& calls) {
  const auto missing = want.blob->bytes->FirstMissing(want.left, 1);
  if (missing && !missing->empty()) {
    want.left.first = missing->first;
    return false;
  }
  if (want.ticket) {
    calls.emplace_back(want.ticket,
                       missing ? Status() : Failure(missing.error()));
  }
  return true;
}

// Those of the blob (null: of all) that waited for the piece first of all.
void RangeFetcher::AdvanceAll(const Blob* blob, std::optional<uint64_t> stored,
                              Calls& calls) {
  for (Wants& wants : wants_) {
    for (auto it = wants.begin(); it != wants.end();) {
      const auto next = std::next(it);
      const bool is_concerned = (blob == nullptr || it->blob.get() == blob) &&
                                (!stored || it->left.first == *stored);
      if (is_concerned && Advance(*it, calls)) wants.erase(it);
      it = next;
    }
  }
  // The last read may have gone, for which all else has waited.
  if (!calls.empty()) MoreWork();
}

void RangeFetcher::Expire(Clock::time_point now, Calls& calls) {
  for (Wants& wants : wants_) {
    for (auto it = wants.begin(); it != wants.end();) {
      const auto next = std::next(it);
      if (it->deadline && *it->deadline <= now) {
        const Blob& blob = *it->blob;
        const auto waited =
            std::chrono::duration_cast<seconds>(options_.patience);
        calls.emplace_back(
            it->ticket,
            Fail(ErrorCode::kUnavailable,
                 fmt::format("nothing came for {} s ({}); the next read tries "
                             "again",
                             waited.count(),
                             blob.last_error ? blob.last_error->message()
                                             : blob.source.server())));
        wants.erase(it);
      }
      it = next;
    }
  }
}

}  // namespace imgmount
