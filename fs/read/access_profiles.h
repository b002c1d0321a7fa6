// SPDX-License-Identifier: Apache-2.0
// AccessProfiles: a program reads the same things whenever it starts, so what
// one read is remembered, and decoded before it is asked for the next time.
//
// A profile is what was read after a second without reads, up to the next one.
// A known profile is recognised by its first reads; where several begin alike
// (programs of one shell, say) it is the one that has more of the reads so far.
// A sequence of reads without an end is a walk through the image, and is not
// remembered. Only which parts of the files were read is kept, not their bytes;
// see access_profile_file.h.
//
// Thread-safe. Threads begin with the first read.
#ifndef IMGMOUNT_FS_READ_ACCESS_PROFILES_H_
#define IMGMOUNT_FS_READ_ACCESS_PROFILES_H_

#include <array>
#include <bitset>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "meta/base/mutex.h"
#include "meta/store/access_profile_file.h"

namespace imgmount {

struct AccessProfilesOptions {
  std::vector<AccessProfile> known;  // the last one is in front
  // Keeps them for the next mount; called once nothing is read any more. Must
  // be given.
  std::function<void(const std::vector<AccessProfile>&)> save;
  // Makes the next mount faster for them, which may take a while: called, if
  // given, once after a pause, and when there are others.
  std::function<void(const std::vector<AccessProfile>&)> settle = nullptr;
  std::chrono::milliseconds pause = std::chrono::seconds(1);
};

class AccessProfiles {
 public:
  using Work = std::function<void(const ProfilePart&)>;

  // `will_need` lets the kernel fetch a part's compressed bytes, `decode`
  // decodes it; both are called by several threads.
  AccessProfiles(AccessProfilesOptions options, Work will_need, Work decode);
  // Waits for the part that each thread is at, and saves.
  ~AccessProfiles();

  // Bytes [offset, offset + length) of a file were read. Returns at once:
  // whether all of it is part of a known profile, so that what comes next is
  // taken care of.
  bool OnRead(Ino ino, uint64_t offset, uint64_t length);
  // Nobody will have to read this any more: the kernel has it.
  void OnStored(const ProfilePart& part);
  struct Listener {
    Work on_decoded;                    // a part of a known profile is
    std::function<void(bool)> on_walk;  // a walk begins (true) or ends (false)
  };
  // Called by other threads; the one before is not once this returns.
  void SetListener(Listener listener) EXCLUDES(mutex_);

 private:
  using Clock = std::chrono::steady_clock;
  // Reads of a file are recorded in cells of this size.
  static constexpr uint64_t kCellBytes = 64 << 10;
  struct Cell {
    uint32_t ino = 0;
    uint64_t number = 0;
    auto operator<=>(const Cell&) const = default;
  };
  // The cells of a part, in order.
  static std::vector<Cell> CellsOf(const ProfilePart& part);

  void Forget() REQUIRES(mutex_);  // the present profile
  void Begin(const Cell& first) REQUIRES(mutex_);
  // One cell is in the kernel's hands, up to `end` in the file. Whether it is
  // of the profile that is followed.
  bool AddCell(const Cell& cell, uint64_t end) REQUIRES(mutex_);
  // Counts which known profiles have it, and follows the one that has most.
  void Match(const Cell& cell) REQUIRES(mutex_);
  void Follow(size_t number) REQUIRES(mutex_);
  bool WasSeen(const ProfilePart& part) const REQUIRES(mutex_);
  bool IsWalk() const REQUIRES(mutex_) { return open_ && too_long_; }
  bool MayGoOn() const REQUIRES(mutex_);  // there is something to decode
  // Ends the present profile; true: there is something to save.
  bool End() REQUIRES(mutex_);

  void Run();
  void Tell(bool is_walk) EXCLUDES(mutex_);
  void Tell(const ProfilePart& decoded) EXCLUDES(mutex_);

  const AccessProfilesOptions options_;
  const Work will_need_;
  const Work decode_;

  Mutex mutex_;
  CondVar wake_;
  bool stop_ GUARDED_BY(mutex_) = false;
  std::vector<AccessProfile> known_ GUARDED_BY(mutex_);
  bool settled_ GUARDED_BY(mutex_) = false;  // these
  // The present profile.
  bool open_ GUARDED_BY(mutex_) = false;
  bool too_long_ GUARDED_BY(mutex_) = false;  // it is a walk
  bool told_of_walk_ GUARDED_BY(mutex_) = false;
  Clock::time_point last_read_ GUARDED_BY(mutex_) = {};
  AccessProfile parts_ GUARDED_BY(mutex_);
  std::map<Cell, size_t> seen_ GUARDED_BY(mutex_);  // in parts_
  // Each known one that began alike: its cells, and how many of them were
  // seen.
  struct Candidate {
    size_t cells = 0;  // 0: it did not
    size_t seen = 0;
  };
  std::array<Candidate, kMaxProfiles> candidates_ GUARDED_BY(mutex_);
  std::map<Cell, std::bitset<kMaxProfiles>> candidate_cells_ GUARDED_BY(mutex_);
  // The known one that it seems to repeat.
  size_t follows_ GUARDED_BY(mutex_) = 0;
  AccessProfile followed_ GUARDED_BY(mutex_);
  std::map<Cell, size_t> places_ GUARDED_BY(mutex_);  // in followed_
  size_t reached_ GUARDED_BY(mutex_) = 0;  // of followed_, by the program
  size_t decoded_ GUARDED_BY(mutex_) = 0;  // by us
  // Decoded by us before the program came; bytes of those that it has not come
  // to yet.
  std::vector<bool> is_ahead_ GUARDED_BY(mutex_);
  uint64_t bytes_ahead_ GUARDED_BY(mutex_) = 0;
  size_t needed_ GUARDED_BY(mutex_) = 0;  // will_need_ was called up to here

  Mutex listener_mutex_;  // never taken with mutex_ held
  Listener listener_ GUARDED_BY(listener_mutex_);

  std::vector<std::thread> threads_;  // made under mutex_
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_READ_ACCESS_PROFILES_H_
