// SPDX-License-Identifier: Apache-2.0
#include "fetch/pull/layer_pull.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "meta/base/file.h"
#include "meta/base/mutex.h"
#include "meta/base/regular_file.h"
#include "meta/store/layer_facts.h"
#include "meta/store/layer_store.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using Step = PullObserver::Step;

// Bytes that are passed on at a time.
constexpr size_t kChunk = 512 << 10;
constexpr std::chrono::milliseconds kBetweenTries{50};

// Whether the bytes themselves are to blame, so that keeping them is no use.
bool IsBadContent(const Error& error) {
  return error.code() == ErrorCode::kCorrupt ||
         error.code() == ErrorCode::kUnsupported;
}

Result<uint64_t> SizeOf(int fd, const fs::path& path) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return FailErrno(path.string(), errno);
  if (!S_ISREG(status.st_mode)) {
    return Fail(ErrorCode::kCorrupt, path.string() + ": not a regular file");
  }
  return static_cast<uint64_t>(status.st_size);
}

// Whether it is what has the name that cannot be used (another user's file, a
// folder, a link, a bad sector), rather than that nothing can be opened now.
bool IsInTheWay(const Error& error) {
  switch (error.error_number()) {
    case 0:  // not a file of ours
      return error.code() == ErrorCode::kIo;
    case EACCES:
    case EPERM:
    case EISDIR:
    case ELOOP:
    case ENXIO:
    case EIO:
      return true;
    default:
      return false;
  }
}

// Removes whatever has this name. Errors show when it is made anew.
void Remove(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

Result<std::shared_ptr<PartialBlob>> OpenPartial(const fs::path& path,
                                                 uint64_t size) {
  auto blob = PartialBlob::Open(path, size, PartialBlob::Mode::kMake);
  if (blob || !IsInTheWay(blob.error())) return blob;
  Remove(path);
  Remove(PartialBlob::MapPath(path));
  return PartialBlob::Open(path, size, PartialBlob::Mode::kMake);
}

}  // namespace

// How those who fetch wake the one who reads. Outlives both.
class LayerPull::News {
 public:
  void OnArrived(uint64_t bytes) {
    const MutexLock lock(mutex_);
    unread_ += bytes;
    if (unread_ >= kChunk) changed_.NotifyOne();
  }
  void OnEnd(Status status) {
    const MutexLock lock(mutex_);
    end_ = std::move(status);
    changed_.NotifyOne();
  }
  // Waits until there is some, but not for long: other processes tell nobody
  // what they have fetched. How the wait for all pieces has ended, if it has.
  std::optional<Status> Await() {
    const auto until = std::chrono::steady_clock::now() + kBetweenLooks;
    const MutexLock lock(mutex_);
    while (!end_ && unread_ < kChunk && changed_.WaitUntil(mutex_, until)) {
    }
    unread_ = 0;
    return std::exchange(end_, std::nullopt);
  }

 private:
  static constexpr std::chrono::milliseconds kBetweenLooks{100};
  Mutex mutex_;
  CondVar changed_;
  uint64_t unread_ GUARDED_BY(mutex_) = 0;  // bytes
  std::optional<Status> end_ GUARDED_BY(mutex_);
};

// Feeds the first pass with the pieces that are here, from the front on.
class LayerPull::Reader {
 public:
  Reader(const LayerPull& pull, PartialBlob& blob, FirstPass& pass)
      : pull_(pull), blob_(blob), pass_(pass), chunk_(kChunk) {}

  bool done() const { return next_ == blob_.all().end; }

  // Of what is here without a gap, the next bytes; false if there are none.
  Result<bool> Feed() {
    if (pull_.stopped_()) return Fail(ErrorCode::kCancelled, "interrupted");
    const PieceRun next =
        Intersect({next_, next_ + kChunk / kPieceBytes}, blob_.all());
    IMGMOUNT_TRY(const PieceRun missing, blob_.FirstMissing(next, 1));
    const PieceRun run{next.first, missing.first};
    if (run.empty()) return false;
    IMGMOUNT_TRY(auto claim, blob_.ClaimAll(run));
    if (!claim) return false;
    // Somebody may have taken some off before they were ours.
    IMGMOUNT_TRY(const PieceRun taken, blob_.FirstMissing(run, 1));
    if (!taken.empty()) return false;
    const auto n = blob_.Read(
        run.first_byte(), std::span(chunk_).first(run.count() * kPieceBytes));
    if (!n) return pull_.CannotReadBack(n.error());
    pass_.Write(std::span(chunk_).first(*n));
    next_ = run.end;
    Keep(*std::move(claim));
    return true;
  }

  // All pieces: those that were read, and the others as soon as nobody is at
  // work on them.
  Result<const PartialBlob::Claim*> ClaimAll() {
    while (true) {
      const PieceRun rest{read_ ? read_->run().end : 0, blob_.all().end};
      if (read_ && rest.empty()) return &*read_;
      IMGMOUNT_TRY(auto claim, blob_.ClaimAll(rest));
      if (claim) {
        Keep(*std::move(claim));
        return &*read_;
      }
      if (pull_.stopped_()) return Fail(ErrorCode::kCancelled, "interrupted");
      std::this_thread::sleep_for(kBetweenTries);
    }
  }

 private:
  void Keep(PartialBlob::Claim claim) {
    if (read_) {
      read_->Append(std::move(claim));
    } else {
      read_ = std::move(claim);
    }
  }

  const LayerPull& pull_;
  PartialBlob& blob_;
  FirstPass& pass_;
  std::vector<std::byte> chunk_;
  std::optional<PartialBlob::Claim> read_;
  uint64_t next_ = 0;  // piece
};

LayerPull::LayerPull(Source& source, const Cache& cache, RangeFetcher& fetcher,
                     const Descriptor& layer, const DiffId& diff_id,
                     size_t connections, PullObserver& observer,
                     std::function<bool()> stopped)
    : source_(source),
      cache_(cache),
      fetcher_(fetcher),
      layer_(layer),
      diff_id_(diff_id),
      connections_(connections),
      observer_(observer),
      stopped_(std::move(stopped)) {}

void LayerPull::Notify(Step step, uint64_t done) {
  observer_.OnLayer(layer_.digest, step, done, layer_.size);
}

// Polls, because Ctrl-C does not wake a thread that waits in flock(2).
Result<FileLock> LayerPull::LockLayer() {
  for (bool first_try = true;; first_try = false) {
    IMGMOUNT_TRY(auto lock, cache_.TryLockLayer(layer_.digest));
    if (lock) return *std::move(lock);
    if (stopped_()) return Fail(ErrorCode::kCancelled, "interrupted");
    if (first_try) Notify(Step::kWaiting);
    std::this_thread::sleep_for(kBetweenTries);
  }
}

Status LayerPull::Run() {
  IMGMOUNT_TRY(const FileLock lock, LockLayer());
  if (cache_.HasBlob(layer_.digest)) {
    if (HasDerivedFiles(cache_, layer_.digest)) {
      Notify(Step::kAlreadyExists);
      return {};
    }
    auto indexed = IndexCachedBlob();
    // A cached blob was right once: this disk has spoilt it.
    if (indexed || source_.in_place() || !IsBadContent(indexed.error())) {
      return indexed;
    }
    Remove(cache_.BlobPath(layer_.digest));
  }
  bool was_begun = false;
  auto downloaded = Download(was_begun);
  // The bad bytes may be the old ones, a power failure's work.
  const bool try_again =
      !downloaded && was_begun && IsBadContent(downloaded.error());
  return try_again ? Download(was_begun) : std::move(downloaded);
}

Result<std::unique_ptr<FirstPass>> LayerPull::StartPass() const {
  return FirstPass::Start({.digest = layer_.digest,
                           .size = layer_.size,
                           .diff_id = diff_id_,
                           .folder = cache_.LayerFolder(layer_.digest)});
}

Status LayerPull::FeedFile(int fd, uint64_t size, FirstPass& pass) {
  std::vector<std::byte> chunk(kChunk);
  for (uint64_t position = 0; position < size;) {
    if (stopped_()) return Fail(ErrorCode::kCancelled, "interrupted");
    const auto n = ReadAt(fd, chunk, position);
    if (!n) return CannotReadBack(n.error());
    if (*n == 0) break;
    pass.Write(std::span(chunk).first(*n));
    position += *n;
    Notify(Step::kExtracting, position);
  }
  return {};
}

Failure LayerPull::CannotReadBack(const Error& error) const {
  if (source_.in_place() || !IsInTheWay(error)) return Failure(error);
  return Fail(ErrorCode::kCorrupt, error.message());
}

Status LayerPull::IndexCachedBlob() {
  const fs::path path = cache_.BlobPath(layer_.digest);
  const auto fd = OpenRegularFile(path);
  if (!fd) return CannotReadBack(fd.error());
  IMGMOUNT_TRY(const uint64_t size, SizeOf(fd->get(), path));
  IMGMOUNT_TRY(const auto pass, StartPass());
  Notify(Step::kExtracting);
  IMGMOUNT_CHECK(FeedFile(fd->get(), size, *pass));
  IMGMOUNT_CHECK(FinishPass(cache_, *pass));
  Notify(Step::kPullComplete);
  return {};
}

Status LayerPull::Download(bool& was_begun) {
  IMGMOUNT_TRY(const auto blob,
               OpenPartial(cache_.PartialPath(layer_.digest), layer_.size));
  IMGMOUNT_TRY(const uint64_t here, blob->CountHere(blob->all()));
  was_begun = here > 0;
  IMGMOUNT_TRY(const auto pass, StartPass());
  Reader reader(*this, *blob, *pass);
  auto transferred = Transfer(blob, reader, *pass);
  if (!transferred && !IsBadContent(transferred.error())) return transferred;
  IMGMOUNT_TRY(const PartialBlob::Claim* const all, reader.ClaimAll());
  if (!transferred) {
    IMGMOUNT_CHECK(blob->Discard(*all));
    return transferred;
  }
  Notify(Step::kDownloadComplete);
  IMGMOUNT_CHECK(blob->Publish(*all, cache_.BlobPath(layer_.digest)));
  Notify(Step::kPullComplete);
  return {};
}

Status LayerPull::Transfer(const std::shared_ptr<PartialBlob>& blob,
                           Reader& reader, FirstPass& pass) {
  // Not counted as downloading: nothing comes over the network.
  for (bool is_first = true;; is_first = false) {
    IMGMOUNT_TRY(const bool has_fed, reader.Feed());
    if (!has_fed) break;
    if (is_first) Notify(Step::kVerifyingChecksum);
  }
  const auto news = std::make_shared<News>();
  const auto fetched =
      fetcher_.Add(source_, layer_, blob, EventsFor(news), connections_);
  auto fed = Fetch(fetched, *blob, news, reader);
  fetcher_.Remove(fetched);
  if (!fed) {
    // After whatever was told of retries: what another run goes on with.
    const uint64_t here = blob->CountHere(blob->all()).value_or(0);
    Notify(Step::kDownloading, std::min(here * kPieceBytes, layer_.size));
    return fed;
  }
  Notify(Step::kVerifyingChecksum);
  IMGMOUNT_CHECK(FinishPass(cache_, pass));
  return {};
}

// Called by the fetcher's threads, also after this pull's end.
RangeFetcher::Events LayerPull::EventsFor(const std::shared_ptr<News>& news) {
  const auto notify = [&observer = observer_, digest = layer_.digest,
                       size = layer_.size](int seconds) {
    observer.OnLayer(digest, Step::kRetrying, static_cast<uint64_t>(seconds),
                     size);
  };
  const auto notice = [&observer = observer_,
                       digest = layer_.digest](const std::string& text) {
    observer.OnLayerNotice(digest, text);
  };
  return {.on_arrived = [news](uint64_t bytes) { news->OnArrived(bytes); },
          .on_retry_in = notify,
          .on_notice = notice,
          .stopped = stopped_};
}

// Fetches what is missing, and feeds it, until all is fed.
Status LayerPull::Fetch(const std::shared_ptr<RangeFetcher::Blob>& fetched,
                        const PartialBlob& blob,
                        const std::shared_ptr<News>& news, Reader& reader) {
  std::unique_ptr<BlobWait> wait;
  std::optional<uint64_t> told;
  while (true) {
    IMGMOUNT_TRY(const uint64_t here, blob.CountHere(blob.all()));
    if (told != here) {
      Notify(Step::kDownloading, std::min(here * kPieceBytes, layer_.size));
    }
    told = here;
    if (reader.done()) return {};
    IMGMOUNT_TRY(const bool has_fed, reader.Feed());
    if (has_fed) continue;
    if (!wait) {
      wait = fetcher_.Await(
          fetched, blob.all(), RangeFetcher::Priority::kRead,
          [news](Status status) { news->OnEnd(std::move(status)); });
    }
    if (const auto end_of_wait = news->Await()) {
      IMGMOUNT_CHECK(*end_of_wait);
      wait.reset();
    }
  }
}

}  // namespace imgmount
