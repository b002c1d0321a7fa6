// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/mount_probe.h"

#include <poll.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "meta/base/file.h"

namespace imgmount {
namespace {

// Never out of the kernel's memory. The exit status is an errno.
[[noreturn]] void Ask(const std::filesystem::path& point) {
  struct statvfs answer = {};
  ::_exit(::statvfs(point.c_str(), &answer) == 0 ? 0 : errno);
}

}  // namespace

MountState ProbeMount(const std::filesystem::path& point,
                      std::chrono::milliseconds at_most) {
  const pid_t child = ::fork();
  if (child < 0) return MountState::kUnknown;
  if (child == 0) Ask(point);
  const UniqueFd ended(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd waited = {ended.get(), POLLIN, 0};
  const bool answered =
      ::poll(&waited, 1, static_cast<int>(at_most.count())) > 0;
  // A request that waits for an answer can be killed.
  if (!answered) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!answered) return MountState::kSilent;
  if (!WIFEXITED(status)) return MountState::kUnknown;
  switch (WEXITSTATUS(status)) {
    case 0:
      return MountState::kAlive;
    case ENOTCONN:
    case ECONNABORTED:
      return MountState::kDead;
    default:
      return MountState::kUnknown;
  }
}

}  // namespace imgmount
