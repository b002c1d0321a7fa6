// SPDX-License-Identifier: Apache-2.0
#include "fetch/pull/layer_pull.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "meta/base/file.h"
#include "meta/store/layer_facts.h"
#include "meta/store/layer_store.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using Step = PullObserver::Step;

// Bytes that are written and passed on at a time; libcurl delivers 16 KiB.
constexpr size_t kChunk = 512 << 10;

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
    case EACCES:
    case EPERM:
    case EISDIR:
    case ELOOP:
    case ENXIO:
    case EIO:
      return true;
    default:
      return IsBadContent(error);
  }
}

// Removes whatever has this name. Errors show when it is made anew.
void Remove(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

struct PartialFile {
  UniqueFd fd;
  uint64_t size = 0;
};

Result<PartialFile> OpenPartial(const fs::path& path) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
  IMGMOUNT_TRY(UniqueFd fd, OpenFile(path, kFlags, 0644));
  IMGMOUNT_TRY(const uint64_t size, SizeOf(fd.get(), path));
  return PartialFile{std::move(fd), size};
}

}  // namespace

// Collects what arrives into chunks for file and first pass.
class LayerPull::Receiver : public BlobSink {
 public:
  Receiver(LayerPull& pull, int fd, uint64_t position, FirstPass& pass)
      : pull_(pull), fd_(fd), position_(position), pass_(pass) {
    chunk_.reserve(kChunk);
  }

  Status Write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const size_t n = std::min(bytes.size(), kChunk - chunk_.size());
      chunk_.insert(chunk_.end(), bytes.begin(),
                    bytes.begin() + static_cast<ptrdiff_t>(n));
      bytes = bytes.subspan(n);
      if (chunk_.size() == kChunk) IMGMOUNT_CHECK(Flush());
    }
    return {};
  }

  Status Flush() {
    if (auto written = WriteAll(fd_, chunk_); !written) {
      return Failure(std::move(written).error().In(
          pull_.cache_.PartialPath(pull_.layer_.digest).string()));
    }
    pass_.Write(chunk_);
    position_ += chunk_.size();
    chunk_.clear();
    pull_.Notify(Step::kDownloading, position_);
    return {};
  }

  void OnRetryIn(int seconds) override {
    pull_.Notify(Step::kRetrying, static_cast<uint64_t>(seconds));
  }
  void OnNotice(const std::string& text) override {
    pull_.observer_.OnLayerNotice(pull_.layer_.digest, text);
  }
  bool stopped() const override { return pull_.stopped_(); }

 private:
  LayerPull& pull_;
  const int fd_;
  uint64_t position_;
  FirstPass& pass_;
  std::vector<std::byte> chunk_;
};

LayerPull::LayerPull(Source& source, const Cache& cache,
                     const Descriptor& layer, const DiffId& diff_id,
                     PullObserver& observer, std::function<bool()> stopped)
    : source_(source),
      cache_(cache),
      layer_(layer),
      diff_id_(diff_id),
      observer_(observer),
      stopped_(std::move(stopped)) {}

void LayerPull::Notify(Step step, uint64_t done) {
  observer_.OnLayer(layer_.digest, step, done, layer_.size);
}

// Polls, because Ctrl-C does not wake a thread that waits in flock(2).
Result<FileLock> LayerPull::LockLayer() {
  constexpr std::chrono::milliseconds kBetweenTries{50};
  const std::string name = "layer-" + std::string(layer_.digest.hex());
  for (bool first_try = true;; first_try = false) {
    IMGMOUNT_TRY(auto lock, cache_.TryLock(name));
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
  return Download(/*may_resume=*/true);
}

Result<std::unique_ptr<FirstPass>> LayerPull::StartPass() const {
  return FirstPass::Start({.digest = layer_.digest,
                           .size = layer_.size,
                           .diff_id = diff_id_,
                           .folder = cache_.LayerFolder(layer_.digest)});
}

Status LayerPull::FeedFile(int fd, uint64_t size, FirstPass& pass,
                           const std::function<void(uint64_t)>& on_position) {
  std::vector<std::byte> chunk(kChunk);
  for (uint64_t position = 0; position < size;) {
    if (stopped_()) return Fail(ErrorCode::kCancelled, "interrupted");
    const auto n = ReadAt(fd, chunk, position);
    if (!n) return CannotReadBack(n.error());
    if (*n == 0) break;
    pass.Write(std::span(chunk).first(*n));
    position += *n;
    on_position(position);
  }
  return {};
}

Failure LayerPull::CannotReadBack(const Error& error) const {
  if (source_.in_place() || !IsInTheWay(error)) return Failure(error);
  return Fail(ErrorCode::kCorrupt, error.message());
}

Status LayerPull::IndexCachedBlob() {
  const fs::path path = cache_.BlobPath(layer_.digest);
  const auto fd = OpenFile(path, O_RDONLY);
  if (!fd) return CannotReadBack(fd.error());
  IMGMOUNT_TRY(const uint64_t size, SizeOf(fd->get(), path));
  IMGMOUNT_TRY(const auto pass, StartPass());
  Notify(Step::kExtracting);
  IMGMOUNT_CHECK(FeedFile(fd->get(), size, *pass, [&](uint64_t position) {
    Notify(Step::kExtracting, position);
  }));
  IMGMOUNT_CHECK(FinishPass(cache_, *pass));
  Notify(Step::kPullComplete);
  return {};
}

Status LayerPull::Download(bool may_resume) {
  const fs::path path = cache_.PartialPath(layer_.digest);
  if (!may_resume) Remove(path);
  auto partial = OpenPartial(path);
  if (partial ? partial->size > layer_.size : IsInTheWay(partial.error())) {
    Remove(path);
    partial = OpenPartial(path);
  }
  if (!partial) return Failure(std::move(partial).error());
  const UniqueFd fd = std::move(partial->fd);
  const uint64_t there = partial->size;
  IMGMOUNT_TRY(const auto pass, StartPass());
  const auto transfer = [&]() -> Status {
    // Not counted as downloading: nothing comes over the network.
    if (there > 0) Notify(Step::kVerifyingChecksum);
    IMGMOUNT_CHECK(FeedFile(fd.get(), there, *pass, [](uint64_t) {}));
    Notify(Step::kDownloading, there);
    Receiver receiver(*this, fd.get(), there, *pass);
    auto fetched = source_.FetchBlob(layer_, there, receiver);
    // After a failure too: what has arrived need not come again.
    auto flushed = receiver.Flush();
    IMGMOUNT_CHECK(fetched);
    IMGMOUNT_CHECK(flushed);
    Notify(Step::kVerifyingChecksum);
    IMGMOUNT_CHECK(FinishPass(cache_, *pass));
    return {};
  };
  auto transferred = transfer();
  if (!transferred && IsBadContent(transferred.error())) {
    Remove(path);
    // The bad bytes may be the old ones, a power failure's work.
    if (there > 0) return Download(/*may_resume=*/false);
  }
  IMGMOUNT_CHECK(transferred);
  Notify(Step::kDownloadComplete);
  IMGMOUNT_CHECK(Publish(fd.get(), path, cache_.BlobPath(layer_.digest)));
  Notify(Step::kPullComplete);
  return {};
}

}  // namespace imgmount
