// SPDX-License-Identifier: Apache-2.0
// Keeper: holds a mount's connection to the kernel while the processes that
// serve it come and go.
//
// The keeper forks a server; when that dies, it forks the next one, which finds
// the requests that its predecessor left in the RequestJournal. Programs that
// read from the mount notice a pause. A server is a copy of the keeper, so all
// that it needs is made before: opened trees, locks, options. In between the
// keeper only waits, so there is nothing in it to crash.
//
// One thread. REQUIRES of the process: no other threads, and no children but
// servers.
#ifndef IMGMOUNT_FS_KEEP_KEEPER_H_
#define IMGMOUNT_FS_KEEP_KEEPER_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

#include "fs/keep/request_journal.h"
#include "fs/log.h"
#include "meta/base/result.h"

namespace imgmount {

// The exit status of a server whose mount is gone, or who was asked to end.
inline constexpr int kServerEnded = 0;

struct KeeperConfig {
  int device = -1;   // /dev/fuse, of the mount; O_NONBLOCK
  int journal = -1;  // RequestJournal::CreateMemory()
  // Runs in a server until the mount is gone or SIGTERM comes; its result is
  // the exit status.
  std::function<int()> serve;
  // Becomes the program that is installed now, in a server; returns only if it
  // could not. Null: there is no upgrade.
  std::function<void()> exec_installed = nullptr;
  Log log = {};
  // Told of each new server, and with 0 when there will be none any more.
  std::function<void(pid_t)> on_server = nullptr;
  // So many deaths within this time, and the mount answers EIO from then on.
  int max_deaths = 10;
  std::chrono::milliseconds within{60'000};
};

// Keeps the mount served until it is unmounted, or until SIGTERM, SIGINT or
// SIGHUP comes; no server is left then. kMount: the first server ended before
// it answered anything. SIGUSR2 makes the installed program the next server.
Status KeepServed(const KeeperConfig& config);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_KEEP_KEEPER_H_
