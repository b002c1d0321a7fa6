// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/session.h"

#include <unistd.h>

#include <utility>

#include "fs/keep/keeper.h"
#include "fs/keep/request_journal.h"
#include "fs/mount/bus_error_log.h"
#include "fs/mount/ending_signals.h"
#include "fs/mount/mount_server.h"

namespace imgmount {
namespace {

Status Serve(const FuseMount& mount, const FileSystem& fs, int journal_memory,
             bool push, const std::function<void()>& on_ready,
             const StartWork& start_work, const Log& log) {
  const BusErrorLog bus_errors(log);
  IMGMOUNT_TRY(const auto journal, RequestJournal::Open(journal_memory));
  IMGMOUNT_TRY(const EndingSignals signals, EndingSignals::Catch());
  const std::shared_ptr<void> work = start_work ? start_work() : nullptr;
  return ServeMount(
      mount, fs, *journal,
      {.push = push, .stop_fd = signals.fd(), .on_ready = on_ready});
}

}  // namespace

Status RunSession(const FileSystem& fs, bool push, const MountConfig& config,
                  const std::function<void()>& on_ready,
                  const StartWork& start_work) {
  IMGMOUNT_TRY(const UniqueFd memory, RequestJournal::CreateMemory());
  IMGMOUNT_TRY(const FuseMount mount, FuseMount::Create(config));
  return Serve(mount, fs, memory.get(), push, on_ready, start_work, config.log);
}

Status RunKeptSession(std::shared_ptr<const FileSystem> fs, bool push,
                      const MountConfig& config,
                      const std::function<void()>& on_ready,
                      const StartWork& start_work) {
  IMGMOUNT_TRY(const UniqueFd memory, RequestJournal::CreateMemory());
  IMGMOUNT_TRY(FuseMount mount, FuseMount::Create(config));
  const pid_t keeper = ::getpid();
  bool first = true;
  const auto serve = [&] {
    const Status served = Serve(mount, *fs, memory.get(), push,
                                first ? on_ready : std::function<void()>(),
                                start_work, config.log);
    // Access profiles are saved by that, which takes a while.
    fs.reset();
    // Nobody is left to unmount it.
    if (::getppid() != keeper) mount.Unmount();
    if (served) return kServerEnded;
    LogTo(config.log, served.error().message());
    return 1;
  };
  return KeepServed({.device = mount.device(),
                     .journal = memory.get(),
                     .serve = serve,
                     .log = config.log,
                     .on_server = [&](pid_t) { first = false; }});
}

}  // namespace imgmount
