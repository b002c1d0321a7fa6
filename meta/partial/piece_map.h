// SPDX-License-Identifier: Apache-2.0
// PieceMap: the file that says which pieces of a blob are here, and on which
// its users lock the pieces that they are at work on.
//
// The file: PieceMapHeader, the byte `whole`, zeros up to byte 64, and from
// there a byte for each piece: 1 is here, anything else is not (also what lies
// beyond the file's end). So no two pieces share a byte, and several processes
// mark theirs without asking each other. A piece's lock is the one on its byte.
// The header has a checksum; what it says is believed by nobody further than
// to the digest of the bytes themselves.
//
// Locks are those of open file descriptions (F_OFD_SETLK of fcntl(2)): they
// belong to this object, so two of them exclude each other in one process as
// well, and the kernel drops them with the last descriptor, however its process
// ends. A forked child has part in them.
//
// Each method is one or two system calls on its own; thread-safe as those are.
#ifndef IMGMOUNT_META_PARTIAL_PIECE_MAP_H_
#define IMGMOUNT_META_PARTIAL_PIECE_MAP_H_

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

#include "meta/base/file.h"
#include "meta/base/result.h"
#include "meta/partial/piece_run.h"

namespace imgmount {

inline constexpr uint64_t kAnyNumber = ~uint64_t{0};

// The blob that a map is about: a map beside another file says nothing.
struct PieceMapSubject {
  uint64_t blob_bytes = 0;
  uint64_t data_inode = 0;  // of the file that has the blob's bytes
  bool operator==(const PieceMapSubject&) const = default;
};

// Reads the subject from a map's first bytes; nullopt when they are no header.
std::optional<PieceMapSubject> ParsePieceMapHeader(
    std::span<const std::byte> bytes);

class PieceMap {
 public:
  // `path` is for messages.
  PieceMap(UniqueFd fd, std::filesystem::path path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  // Nothing was written to it yet.
  Result<bool> IsEmpty() const;
  // It has lost its name: the files have ended, or others have taken it.
  Result<bool> IsUnlinked() const;
  Result<std::optional<PieceMapSubject>> Subject() const;
  // Begins anew: the first `here` pieces are here, the blob is not whole.
  // Killed at any moment, it leaves no header or a map that says less.
  Status Begin(const PieceMapSubject& subject, uint64_t here) const;

  // The first run of pieces in `within` that are not here, at most `most` of
  // them; empty, and at the end, if all are.
  Result<PieceRun> FirstMissing(PieceRun within,
                                uint64_t most = kAnyNumber) const;
  Result<uint64_t> CountHere(PieceRun within) const;
  Status Mark(PieceRun run, bool here) const;

  // All pieces are here and were checked: the bytes are under the blob's own
  // name, or about to be, and nobody may change them any more.
  Result<bool> IsWhole() const;
  Status SetWhole(bool whole) const;

  // Locks the pieces, or else answers which of them another object has locked
  // (at least one; there may be more).
  Result<std::optional<PieceRun>> TryLock(PieceRun run) const;
  Status Unlock(PieceRun run) const;
  // The same pieces without locking any; nullopt: nobody else has one.
  Result<std::optional<PieceRun>> LockedByOthers(PieceRun run) const;
  // The lock for beginning and ending the files; waits for it.
  Status LockFiles() const;
  Status UnlockFiles() const;
  // Shared: held by all who have the map open. Alone: nobody else has; false
  // when somebody does.
  Status LockAsUser() const;
  Result<bool> TryLockAlone() const;

 private:
  Result<bool> Lock(short type, uint64_t start, uint64_t length,
                    bool wait) const;
  template <typename Look>
  Status ForStates(PieceRun run, Look&& look) const;
  Result<struct stat> Stat() const;
  Failure Failed(int error_number) const;
  Status WriteAt(uint64_t at, std::span<const std::byte> bytes) const;

  UniqueFd fd_;
  std::filesystem::path path_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_PARTIAL_PIECE_MAP_H_
