// SPDX-License-Identifier: Apache-2.0
#include "meta/partial/piece_map.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "meta/base/wire.h"
#include "meta/base/xxh3.h"

namespace imgmount {
namespace {

struct PieceMapHeader {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t piece_bytes;
  uint64_t blob_bytes;
  uint64_t data_inode;
  uint64_t checksum;  // XXH3-64 of what stands before it
};
constexpr size_t kCheckedBytes = offsetof(PieceMapHeader, checksum);

constexpr std::array<char, 8> kMagic = {'I', 'M', 'G', 'P', 'I', 'E', 'C', 'E'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kWholeAt = sizeof(PieceMapHeader);
constexpr uint64_t kStatesAt = 64;
static_assert(kWholeAt < kStatesAt);

// Bytes of the header whose locks mean something.
constexpr uint64_t kFilesLockAt = 0;
constexpr uint64_t kUsersLockAt = 1;

constexpr std::byte kHere{1};

// States are looked at so many at a time: a blob of 4 GiB.
constexpr uint64_t kStatesAtATime = 64 << 10;

}  // namespace

std::optional<PieceMapSubject> ParsePieceMapHeader(
    std::span<const std::byte> bytes) {
  const auto header = ReadWire<PieceMapHeader>(bytes, 0);
  if (!header || header->magic != kMagic || header->version != kVersion ||
      header->piece_bytes != kPieceBytes ||
      header->checksum != XXH3_64bits(bytes.data(), kCheckedBytes)) {
    return {};
  }
  return PieceMapSubject{header->blob_bytes, header->data_inode};
}

Failure PieceMap::Failed(int error_number) const {
  return FailErrno(path_.string(), error_number);
}

Status PieceMap::WriteAt(uint64_t at, std::span<const std::byte> bytes) const {
  auto written = imgmount::WriteAt(fd_.get(), bytes, at);
  if (written) return {};
  return Failure(std::move(written).error().In(path_.string()));
}

Result<struct stat> PieceMap::Stat() const {
  struct stat stat = {};
  if (::fstat(fd_.get(), &stat) != 0) return Failed(errno);
  return stat;
}

Result<bool> PieceMap::IsEmpty() const {
  IMGMOUNT_TRY(const struct stat stat, Stat());
  return stat.st_size == 0;
}

Result<bool> PieceMap::IsUnlinked() const {
  IMGMOUNT_TRY(const struct stat stat, Stat());
  return stat.st_nlink == 0;
}

Result<std::optional<PieceMapSubject>> PieceMap::Subject() const {
  std::array<std::byte, sizeof(PieceMapHeader)> bytes;
  IMGMOUNT_TRY(const size_t n, ReadAt(fd_.get(), bytes, 0));
  return ParsePieceMapHeader(std::span(bytes).first(n));
}

Status PieceMap::Begin(const PieceMapSubject& subject, uint64_t here) const {
  const uint64_t pieces = AllPieces(subject.blob_bytes).count();
  PieceMapHeader header{.magic = kMagic,
                        .version = kVersion,
                        .piece_bytes = kPieceBytes,
                        .blob_bytes = subject.blob_bytes,
                        .data_inode = subject.data_inode,
                        .checksum = 0};
  header.checksum = XXH3_64bits(&header, kCheckedBytes);
  std::string bytes;
  AppendWire(bytes, header);
  bytes.resize(kStatesAt);
  bytes.append(std::min(here, pieces), static_cast<char>(kHere));
  if (::ftruncate(fd_.get(), 0) != 0) return Failed(errno);
  IMGMOUNT_CHECK(WriteAt(0, std::as_bytes(std::span(bytes))));
  if (::ftruncate(fd_.get(), static_cast<off_t>(kStatesAt + pieces)) != 0) {
    return Failed(errno);
  }
  return {};
}

// Calls `look` for the states of the pieces, a few of them at first, until it
// answers false.
template <typename Look>
Status PieceMap::ForStates(PieceRun run, Look&& look) const {
  constexpr uint64_t kFew = 256;
  std::vector<std::byte> states;
  uint64_t at_a_time = kFew;
  for (uint64_t at = run.first; at < run.end; at += states.size()) {
    // Pieces that the file lacks are not here.
    states.assign(std::min(at_a_time, run.end - at), std::byte{});
    IMGMOUNT_CHECK(ReadAt(fd_.get(), states, kStatesAt + at));
    if (!look(at, states)) break;
    at_a_time = std::min(at_a_time * 4, kStatesAtATime);
  }
  return {};
}

Result<PieceRun> PieceMap::FirstMissing(PieceRun within, uint64_t most) const {
  PieceRun missing{within.end, within.end};
  const auto look = [&](uint64_t at, std::span<const std::byte> states) {
    auto from = states.begin();
    if (missing.first == within.end) {
      from = std::find_if(from, states.end(),
                          [](std::byte state) { return state != kHere; });
      if (from == states.end()) return true;
      missing.first = at + static_cast<uint64_t>(from - states.begin());
    }
    const auto end = std::find(from, states.end(), kHere);
    missing.end = at + static_cast<uint64_t>(end - states.begin());
    return end == states.end() && missing.count() < most;
  };
  IMGMOUNT_CHECK(ForStates(within, look));
  missing.end = missing.first + std::min(missing.count(), most);
  return missing;
}

Result<uint64_t> PieceMap::CountHere(PieceRun within) const {
  uint64_t count = 0;
  IMGMOUNT_CHECK(ForStates(within, [&](uint64_t,
                                       std::span<const std::byte> states) {
    count +=
        static_cast<uint64_t>(std::count(states.begin(), states.end(), kHere));
    return true;
  }));
  return count;
}

Status PieceMap::Mark(PieceRun run, bool here) const {
  std::vector<std::byte> states;
  for (uint64_t at = run.first; at < run.end; at += states.size()) {
    states.assign(std::min(kStatesAtATime, run.end - at),
                  here ? kHere : std::byte{});
    IMGMOUNT_CHECK(WriteAt(kStatesAt + at, states));
  }
  return {};
}

Result<bool> PieceMap::IsWhole() const {
  std::byte whole{};
  IMGMOUNT_CHECK(ReadAt(fd_.get(), std::span(&whole, 1), kWholeAt));
  return whole == kHere;
}

Status PieceMap::SetWhole(bool whole) const {
  const std::byte state = whole ? kHere : std::byte{};
  return WriteAt(kWholeAt, std::span(&state, 1));
}

// False when another has it and `wait` is false.
Result<bool> PieceMap::Lock(short type, uint64_t start, uint64_t length,
                            bool wait) const {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(start);
  lock.l_len = static_cast<off_t>(length);
  while (::fcntl(fd_.get(), wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return false;
    if (errno != EINTR) {
      return FailErrno("lock " + path_.string(), errno);
    }
  }
  return true;
}

Result<std::optional<PieceRun>> PieceMap::TryLock(PieceRun run) const {
  // A lock of no length would be one of all that follows.
  if (run.empty()) return std::optional<PieceRun>();
  while (true) {
    IMGMOUNT_TRY(const bool locked, Lock(F_WRLCK, kStatesAt + run.first,
                                         run.count(), /*wait=*/false));
    if (locked) return std::optional<PieceRun>();
    IMGMOUNT_TRY(const auto theirs, LockedByOthers(run));
    if (theirs) return theirs;  // else just let go of
  }
}

Result<std::optional<PieceRun>> PieceMap::LockedByOthers(PieceRun run) const {
  if (run.empty()) return std::optional<PieceRun>();
  struct flock other = {};
  other.l_type = F_WRLCK;
  other.l_whence = SEEK_SET;
  other.l_start = static_cast<off_t>(kStatesAt + run.first);
  other.l_len = static_cast<off_t>(run.count());
  if (::fcntl(fd_.get(), F_OFD_GETLK, &other) != 0) {
    return FailErrno("lock " + path_.string(), errno);
  }
  if (other.l_type == F_UNLCK) return std::optional<PieceRun>();
  const auto piece_at = [](uint64_t byte) {
    return byte <= kStatesAt ? 0 : byte - kStatesAt;
  };
  const auto start = static_cast<uint64_t>(other.l_start);
  const auto length = static_cast<uint64_t>(other.l_len);  // 0: to the end
  return Intersect(
      {piece_at(start), length == 0 ? run.end : piece_at(start + length)}, run);
}

Status PieceMap::Unlock(PieceRun run) const {
  if (run.empty()) return {};
  IMGMOUNT_CHECK(
      Lock(F_UNLCK, kStatesAt + run.first, run.count(), /*wait=*/false));
  return {};
}

Status PieceMap::LockFiles() const {
  IMGMOUNT_CHECK(Lock(F_WRLCK, kFilesLockAt, 1, /*wait=*/true));
  return {};
}

Status PieceMap::UnlockFiles() const {
  IMGMOUNT_CHECK(Lock(F_UNLCK, kFilesLockAt, 1, /*wait=*/false));
  return {};
}

Status PieceMap::LockAsUser() const {
  IMGMOUNT_CHECK(Lock(F_RDLCK, kUsersLockAt, 1, /*wait=*/true));
  return {};
}

Result<bool> PieceMap::TryLockAlone() const {
  return Lock(F_WRLCK, kUsersLockAt, 1, /*wait=*/false);
}

}  // namespace imgmount
