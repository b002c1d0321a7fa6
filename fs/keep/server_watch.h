// SPDX-License-Identifier: Apache-2.0
// ServerWatch: notices the death of a server that cannot end.
//
// A thread that stores into the page cache waits, uninterruptibly, for a page
// that somebody is reading, and that read may be one that its own process was
// to answer. When that process is killed it never ends, and waitpid(2) never
// tells; but its other threads do end, and the kernel clears a word in shared
// memory when the first one does (set_tid_address(2)). The next server answers
// the read, and then the dead one can end as well.
//
// Made by the keeper before it forks; its threads: the keeper's one.
#ifndef IMGMOUNT_FS_KEEP_SERVER_WATCH_H_
#define IMGMOUNT_FS_KEEP_SERVER_WATCH_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "meta/base/result.h"

namespace imgmount {

class ServerWatch {
 public:
  static Result<ServerWatch> Create();
  ServerWatch(ServerWatch&& other) noexcept
      : word_(std::exchange(other.word_, nullptr)) {}
  ServerWatch& operator=(ServerWatch&&) = delete;
  ~ServerWatch();

  // In the keeper, before it forks a server: forgets the one before.
  void Expect();
  // In the server, by its first thread, before there are others.
  void Enter();
  // The server ends in order, which its keeper learns from waitpid(2) alone.
  void Leave();

  // Whether the server's first thread has ended. Its process has too, or is
  // about to.
  bool FirstThreadEnded() const;
  // Waits for that, for Wake(), or for so long; returns at once when there was
  // a Wake() since the last time, or, without a limit, if the thread has ended.
  void Wait(std::optional<std::chrono::milliseconds> limit);
  // Async-signal-safe.
  void Wake();

 private:
  explicit ServerWatch(std::atomic<uint32_t>* word) : word_(word) {}

  std::atomic<uint32_t>* word_;  // shared with the servers
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_KEEP_SERVER_WATCH_H_
