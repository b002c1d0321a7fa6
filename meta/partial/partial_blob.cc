// SPDX-License-Identifier: Apache-2.0
#include "meta/partial/partial_blob.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <string>

namespace imgmount {
namespace {

namespace fs = std::filesystem;

// O_NONBLOCK: so that a pipe in its place is refused rather than waited for.
constexpr int kOpenFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;

Result<struct stat> StatOf(int fd, const fs::path& path) {
  struct stat stat = {};
  if (::fstat(fd, &stat) != 0) return FailErrno(path.string(), errno);
  return stat;
}

Result<UniqueFd> OpenOurs(const fs::path& path, int more_flags) {
  IMGMOUNT_TRY(UniqueFd fd, OpenFile(path, kOpenFlags | more_flags, 0644));
  IMGMOUNT_TRY(const struct stat stat, StatOf(fd.get(), path));
  if (!S_ISREG(stat.st_mode) || !IsOurs(stat)) {
    return Fail(ErrorCode::kIo,
                path.string() +
                    ": not a file that only its owner can write; remove it");
  }
  return fd;
}

Status Resize(int fd, uint64_t bytes, const fs::path& path) {
  if (::ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    return FailErrno(path.string(), errno);
  }
  return {};
}

Status Remove(const fs::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return FailErrno(path.string(), errno);
  }
  return {};
}

Failure NotClaimed() {
  return Fail(ErrorCode::kInternal, "a change of pieces without a claim");
}

}  // namespace

class PartialBlob::FilesLock {
 public:
  static Result<FilesLock> Acquire(const PieceMap& map) {
    IMGMOUNT_CHECK(map.LockFiles());
    return FilesLock(map);
  }
  FilesLock(FilesLock&& other) noexcept
      : map_(std::exchange(other.map_, nullptr)) {}
  FilesLock& operator=(FilesLock&&) = delete;
  ~FilesLock() {
    if (map_ != nullptr) (void)map_->UnlockFiles();
  }

 private:
  explicit FilesLock(const PieceMap& map) : map_(&map) {}
  const PieceMap* map_;
};

fs::path PartialBlob::MapPath(const fs::path& path) {
  return path.string() + ".map";
}

Result<std::shared_ptr<PartialBlob>> PartialBlob::OpenMap(const fs::path& path,
                                                          uint64_t blob_bytes,
                                                          int more_flags) {
  if (blob_bytes > kMaxPartialBytes) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} bytes are more than a layer may have ({})",
                            blob_bytes, kMaxPartialBytes));
  }
  const fs::path map_path = MapPath(path);
  IMGMOUNT_TRY(UniqueFd map, OpenOurs(map_path, more_flags));
  return std::shared_ptr<PartialBlob>(
      new PartialBlob(path, PieceMap(std::move(map), map_path), blob_bytes));
}

Result<std::shared_ptr<PartialBlob>> PartialBlob::Open(const fs::path& path,
                                                       uint64_t blob_bytes,
                                                       Mode mode) {
  const int more_flags = mode == Mode::kMake ? O_CREAT : 0;
  while (true) {
    IMGMOUNT_TRY(auto blob, OpenMap(path, blob_bytes, more_flags));
    IMGMOUNT_TRY(const FilesLock lock, FilesLock::Acquire(blob->map_));
    IMGMOUNT_TRY(const bool ended, blob->map_.IsUnlinked());
    if (ended) continue;  // while we waited for the lock
    IMGMOUNT_TRY(blob->data_, OpenOurs(path, more_flags));
    IMGMOUNT_CHECK(blob->Begin(mode));
    IMGMOUNT_CHECK(blob->map_.LockAsUser());
    return blob;
  }
}

// Makes map and file agree; under the files' lock.
Status PartialBlob::Begin(Mode mode) {
  IMGMOUNT_TRY(const struct stat stat, StatOf(data_.get(), path_));
  const auto there = static_cast<uint64_t>(stat.st_size);
  const uint64_t pieces_there =
      there == size_ ? all().end : std::min(there, size_) / kPieceBytes;
  const PieceMapSubject subject{size_, stat.st_ino};
  IMGMOUNT_TRY(const auto known, map_.Subject());
  if (known == subject) {
    IMGMOUNT_CHECK(map_.Mark({pieces_there, all().end}, /*here=*/false));
    // Whoever said so was killed before the blob got its name.
    IMGMOUNT_CHECK(map_.SetWhole(false));
  } else if (mode == Mode::kExisting) {
    return Fail(ErrorCode::kNotFound, path_.string() + ": has no map");
  } else {
    IMGMOUNT_TRY(const bool alone, map_.TryLockAlone());
    if (!alone) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("has {} bytes by this manifest, but another "
                              "process fetches it with another size",
                              size_));
    }
    IMGMOUNT_TRY(const bool is_new, map_.IsEmpty());
    const bool is_prefix = is_new && there <= size_;
    if (!is_prefix) IMGMOUNT_CHECK(Resize(data_.get(), 0, path_));
    IMGMOUNT_CHECK(map_.Begin(subject, is_prefix ? pieces_there : 0));
  }
  return there == size_ && known == subject ? Status()
                                            : Resize(data_.get(), size_, path_);
}

Result<std::shared_ptr<PartialBlob>> PartialBlob::TakeBack(
    const fs::path& from, const fs::path& path, uint64_t blob_bytes) {
  while (true) {
    IMGMOUNT_TRY(auto blob, OpenMap(path, blob_bytes, O_CREAT));
    IMGMOUNT_TRY(const FilesLock lock, FilesLock::Acquire(blob->map_));
    IMGMOUNT_TRY(const bool ended, blob->map_.IsUnlinked());
    if (ended) continue;
    IMGMOUNT_TRY(const bool alone, blob->map_.TryLockAlone());
    if (!alone) return Fail(ErrorCode::kIo, path.string() + ": in use");
    IMGMOUNT_TRY(blob->data_, OpenOurs(from, 0));
    IMGMOUNT_TRY(const struct stat stat, StatOf(blob->data_.get(), from));
    if (static_cast<uint64_t>(stat.st_size) != blob_bytes) {
      return Fail(ErrorCode::kCorrupt, from.string() + ": has the wrong size");
    }
    IMGMOUNT_CHECK(
        blob->map_.Begin({blob_bytes, stat.st_ino}, blob->all().end));
    if (::rename(from.c_str(), path.c_str()) != 0) {
      return FailErrno(path.string(), errno);
    }
    IMGMOUNT_CHECK(blob->map_.LockAsUser());
    return blob;
  }
}

Result<PieceRun> PartialBlob::FirstMissing(PieceRun within,
                                           uint64_t most) const {
  return map_.FirstMissing(Intersect(within, all()), most);
}

Result<uint64_t> PartialBlob::CountHere(PieceRun within) const {
  return map_.CountHere(Intersect(within, all()));
}

Result<size_t> PartialBlob::Read(uint64_t offset,
                                 std::span<std::byte> out) const {
  if (offset >= size_) return 0;
  out = out.first(std::min<uint64_t>(out.size(), size_ - offset));
  auto read = ReadAt(data_.get(), out, offset);
  if (!read) return Failure(std::move(read).error().In(path_.string()));
  return read;
}

PartialBlob::Claim& PartialBlob::Claim::operator=(Claim&& other) noexcept {
  if (this == &other) return *this;
  Release();
  blob_ = other.blob_;
  run_ = std::exchange(other.run_, {});
  return *this;
}

void PartialBlob::Claim::Append(Claim next) {
  assert(next.blob_ == blob_ && next.run_.first == run_.end);
  const MutexLock lock(blob_->mutex_);
  blob_->claimed_.erase(next.run_.first);
  run_.end = std::exchange(next.run_, {}).end;
  blob_->claimed_[run_.first] = run_.end;
}

void PartialBlob::Claim::DropBefore(uint64_t piece) {
  const PieceRun gone{run_.first, std::min(piece, run_.end)};
  if (gone.empty()) return;
  const MutexLock lock(blob_->mutex_);
  blob_->claimed_.erase(run_.first);
  run_.first = gone.end;
  if (!run_.empty()) blob_->claimed_[run_.first] = run_.end;
  // Nothing helps where even that fails; the kernel does it in the end.
  (void)blob_->map_.Unlock(gone);
}

void PartialBlob::Claim::Release() { DropBefore(run_.end); }

bool PartialBlob::HasClaimed(uint64_t piece) const {
  const MutexLock lock(mutex_);
  return FirstUnclaimedHere({piece, piece + 1}).empty();
}

Result<bool> PartialBlob::IsClaimedByOthers(uint64_t piece) const {
  IMGMOUNT_TRY(const auto theirs, map_.LockedByOthers({piece, piece + 1}));
  return theirs.has_value();
}

// The first pieces of `within` that this object has no claim on.
PieceRun PartialBlob::FirstUnclaimedHere(PieceRun within) const {
  auto next = claimed_.upper_bound(within.first);
  if (next != claimed_.begin()) {
    within.first = std::max(within.first, std::prev(next)->second);
  }
  while (next != claimed_.end() && next->first == within.first) {
    within.first = next->second;
    ++next;
  }
  if (next != claimed_.end()) within.end = std::min(within.end, next->first);
  if (within.empty()) within.end = within.first;
  return within;
}

// Locks the first pieces of `run`, as many as nobody else has; where that is
// none, `theirs` are those that somebody has.
Result<PieceRun> PartialBlob::LockFirst(PieceRun run, PieceRun& theirs) const {
  while (!run.empty()) {
    IMGMOUNT_TRY(const auto locked, map_.TryLock(run));
    if (!locked) break;
    theirs = *locked;
    run.end = theirs.first;
  }
  return run;
}

Result<std::optional<PartialBlob::Claim>> PartialBlob::ClaimMissing(
    PieceRun within, uint64_t most) {
  within = Intersect(within, all());
  const MutexLock lock(mutex_);
  while (!within.empty()) {
    const PieceRun free = FirstUnclaimedHere(within);
    IMGMOUNT_TRY(const PieceRun missing, map_.FirstMissing(free, most));
    within.first = free.end;
    if (missing.empty()) continue;
    PieceRun theirs;
    IMGMOUNT_TRY(const PieceRun ours, LockFirst(missing, theirs));
    within.first = ours.empty() ? theirs.end : missing.first;
    if (ours.empty()) continue;
    // Somebody may have stored some before they were ours.
    const auto still_missing = map_.FirstMissing(ours);
    if (still_missing && *still_missing == ours) return Enter(ours);
    IMGMOUNT_CHECK(map_.Unlock(ours));
    IMGMOUNT_CHECK(still_missing);
  }
  return std::optional<Claim>();
}

Result<std::optional<PartialBlob::Claim>> PartialBlob::ClaimAll(PieceRun run) {
  const MutexLock lock(mutex_);
  if (FirstUnclaimedHere(run) != run) return std::optional<Claim>();
  IMGMOUNT_TRY(const auto locked, map_.TryLock(run));
  return locked ? std::optional<Claim>() : Enter(run);
}

std::optional<PartialBlob::Claim> PartialBlob::Enter(PieceRun run) {
  claimed_[run.first] = run.end;
  return Claim(this, run);
}

Status PartialBlob::Store(const Claim& claim, uint64_t first,
                          std::span<const std::byte> bytes) {
  const PieceRun run =
      PiecesOf(first * kPieceBytes, static_cast<uint64_t>(bytes.size()));
  if (!claim.run().Contains(run)) return NotClaimed();
  if (auto written = WriteAt(data_.get(), bytes, run.first_byte()); !written) {
    return Failure(std::move(written).error().In(path_.string()));
  }
  return map_.Mark(run, /*here=*/true);
}

// The marks first: see the header.
Status PartialBlob::Clear(PieceRun run, bool punch) {
  IMGMOUNT_CHECK(map_.Mark(run, /*here=*/false));
  if (!punch || run.empty()) return {};
  if (::fallocate(data_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(run.first_byte()),
                  static_cast<off_t>(run.count() * kPieceBytes)) != 0) {
    return FailErrno(path_.string(), errno);
  }
  return {};
}

Result<bool> PartialBlob::TakeOff(PieceRun run, bool punch) {
  run = Intersect(run, all());
  uint64_t kept = 0;
  const auto keep = [&](PieceRun pieces) -> Status {
    IMGMOUNT_TRY(const uint64_t here, map_.CountHere(pieces));
    kept += here;
    run.first = pieces.end;
    return {};
  };
  const MutexLock lock(mutex_);
  while (!run.empty()) {
    const PieceRun free = FirstUnclaimedHere(run);
    IMGMOUNT_CHECK(keep({run.first, std::min(free.first, run.end)}));
    if (free.empty()) break;
    PieceRun theirs;
    IMGMOUNT_TRY(const PieceRun ours, LockFirst(free, theirs));
    if (ours.empty()) {
      IMGMOUNT_CHECK(keep(theirs));
      continue;
    }
    run.first = ours.end;
    const auto whole = map_.IsWhole();
    const Status cleared = whole && !*whole ? Clear(ours, punch) : Status();
    IMGMOUNT_CHECK(map_.Unlock(ours));
    IMGMOUNT_CHECK(whole);
    IMGMOUNT_CHECK(cleared);
    if (*whole) return false;
  }
  return kept == 0;
}

Result<bool> PartialBlob::Invalidate(PieceRun run) {
  return TakeOff(run, /*punch=*/false);
}

Result<bool> PartialBlob::Evict(PieceRun run) {
  return TakeOff(run, /*punch=*/true);
}

Status PartialBlob::Publish(const Claim& claim, const fs::path& name) {
  if (claim.run() != all()) return NotClaimed();
  IMGMOUNT_TRY(const FilesLock lock, FilesLock::Acquire(map_));
  IMGMOUNT_CHECK(map_.SetWhole(true));
  if (auto published = imgmount::Publish(data_.get(), path_, name);
      !published) {
    (void)map_.SetWhole(false);
    return published;
  }
  return Remove(MapPath(path_));
}

Status PartialBlob::Discard(const Claim& claim) {
  IMGMOUNT_CHECK(Clear(claim.run(), /*punch=*/false));
  IMGMOUNT_TRY(const FilesLock lock, FilesLock::Acquire(map_));
  IMGMOUNT_TRY(const bool alone, map_.TryLockAlone());
  if (!alone) return {};
  // The map last: alone it says nothing, while a file alone is what is left of
  // an earlier version's download.
  IMGMOUNT_CHECK(Remove(path_));
  IMGMOUNT_CHECK(Remove(MapPath(path_)));
  return map_.LockAsUser();
}

}  // namespace imgmount
