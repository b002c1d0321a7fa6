// SPDX-License-Identifier: Apache-2.0
// PartialBlob: a blob of which only parts are here.
//
//   <path>      a sparse file of the blob's full size, with the bytes
//   <path>.map  which pieces of it are here (see piece_map.h)
//
// Any number of objects, in any number of processes, use one blob at a time.
// Whoever changes a piece has claimed it: no piece is fetched twice at a time,
// and what is claimed for reading does not change. Claims end with their
// holder, however that ends.
//
// Killed at any moment, a process leaves a map that says less than is here: a
// piece's bytes are written before it is marked, and a mark is taken off before
// its bytes go. Neither is flushed, so after a power cut a piece may be marked
// and hold nothing, or the wrong bytes. So the bytes are as hostile as those on
// the network: whoever reads them checks a digest, and calls Invalidate() when
// it is another. Publish() flushes.
//
// While anybody has the blob open, its path is the name of these files, or the
// blob was published. Thread-safe.
#ifndef IMGMOUNT_META_PARTIAL_PARTIAL_BLOB_H_
#define IMGMOUNT_META_PARTIAL_PARTIAL_BLOB_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "meta/base/file.h"
#include "meta/base/mutex.h"
#include "meta/base/result.h"
#include "meta/partial/piece_map.h"
#include "meta/partial/piece_run.h"

namespace imgmount {

// Larger blobs are refused (kUnsupported): nobody publishes any, and a size is
// only a number that a manifest claims.
inline constexpr uint64_t kMaxPartialBytes = uint64_t{1} << 40;

class PartialBlob {
 public:
  enum class Mode {
    // kNotFound where there is no usable map.
    kExisting,
    // Made where it is missing. A file without a map is what versions before
    // maps left of a download: the blob's first bytes. REQUIRES: no such
    // version is at it (the caller has the layer's lock).
    kMake,
  };
  // Files that are not regular, or that others may change, are refused. A blob
  // that others have open with another size is kCorrupt.
  static Result<std::shared_ptr<PartialBlob>> Open(
      const std::filesystem::path& path, uint64_t blob_bytes, Mode mode);
  // Makes a whole blob, `from`, a partial one at `path`, with all pieces here:
  // so that some can be evicted. REQUIRES: nobody reads it under its own name,
  // and nobody else moves it.
  static Result<std::shared_ptr<PartialBlob>> TakeBack(
      const std::filesystem::path& from, const std::filesystem::path& path,
      uint64_t blob_bytes);
  static std::filesystem::path MapPath(const std::filesystem::path& path);

  PartialBlob(const PartialBlob&) = delete;
  PartialBlob& operator=(const PartialBlob&) = delete;

  uint64_t size() const { return size_; }
  PieceRun all() const { return AllPieces(size_); }

  // The first run of pieces in `within` that are not here, at most `most` of
  // them; empty if all are.
  Result<PieceRun> FirstMissing(PieceRun within,
                                uint64_t most = kAnyNumber) const;
  Result<uint64_t> CountHere(PieceRun within) const;
  // Fills `out` from `offset`; short only at the blob's end. What is not here
  // reads as anything.
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) const;

  // The right to change some pieces, and that nobody else does; ends with the
  // object, which the blob outlives.
  class Claim {
   public:
    Claim(Claim&& other) noexcept
        : blob_(other.blob_), run_(std::exchange(other.run_, {})) {}
    Claim& operator=(Claim&& other) noexcept;
    ~Claim() { Release(); }

    PieceRun run() const { return run_; }
    // REQUIRES: `next` begins where this ends.
    void Append(Claim next);
    // Lets go of the pieces before this one.
    void DropBefore(uint64_t piece);

   private:
    friend class PartialBlob;
    Claim(PartialBlob* blob, PieceRun run) : blob_(blob), run_(run) {}
    void Release();
    PartialBlob* blob_;
    PieceRun run_;
  };
  // The first pieces of `within` that are not here and that nobody is at work
  // on, at most `most`; nullopt when there are none.
  Result<std::optional<Claim>> ClaimMissing(PieceRun within, uint64_t most);
  // Whose claim the piece is in: this object's, or another's.
  bool HasClaimed(uint64_t piece) const;
  Result<bool> IsClaimedByOthers(uint64_t piece) const;
  // These pieces, whether they are here or not; nullopt while anybody has one
  // of them.
  Result<std::optional<Claim>> ClaimAll(PieceRun run);

  // Pieces of the claim from `first` on, whole, are here: the blob's last one
  // may be shorter.
  Status Store(const Claim& claim, uint64_t first,
               std::span<const std::byte> bytes);

  // The pieces are to be fetched again. False when somebody who reads them has
  // claimed some, or the blob is whole: they stay.
  Result<bool> Invalidate(PieceRun run);
  // The same, and gives their room on the disk back.
  Result<bool> Evict(PieceRun run);

  // The blob gets its own name: from then on it is a file like any other, and
  // who has it open here goes on reading. REQUIRES: `all` claims all pieces,
  // they are here, and they had the right digest when they were read under it.
  Status Publish(const Claim& all, const std::filesystem::path& name);
  // Nothing of it is any good: no piece of the claim is here any more, and when
  // nobody else has the blob open its files go.
  Status Discard(const Claim& claim);

 private:
  // So that a map and its file are made and go as one.
  class FilesLock;

  PartialBlob(std::filesystem::path path, PieceMap map, uint64_t size)
      : path_(std::move(path)), map_(std::move(map)), size_(size) {}
  static Result<std::shared_ptr<PartialBlob>> OpenMap(
      const std::filesystem::path& path, uint64_t blob_bytes, int more_flags);
  Status Begin(Mode mode);

  PieceRun FirstUnclaimedHere(PieceRun within) const REQUIRES(mutex_);
  Result<PieceRun> LockFirst(PieceRun run, PieceRun& theirs) const
      REQUIRES(mutex_);
  std::optional<Claim> Enter(PieceRun run) REQUIRES(mutex_);

  Result<bool> TakeOff(PieceRun run, bool punch);
  Status Clear(PieceRun run, bool punch);

  const std::filesystem::path path_;
  const PieceMap map_;
  UniqueFd data_;
  const uint64_t size_;
  mutable Mutex mutex_;
  // This object's claims: first piece to end. The kernel's locks are
  // the object's as a whole.
  std::map<uint64_t, uint64_t> claimed_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_PARTIAL_PARTIAL_BLOB_H_
