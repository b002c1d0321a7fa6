// SPDX-License-Identifier: Apache-2.0
// RunInBackground: a daemon whose start succeeds or fails in the foreground.
#ifndef IMGMOUNT_FS_MOUNT_DAEMON_H_
#define IMGMOUNT_FS_MOUNT_DAEMON_H_

#include <functional>
#include <vector>

#include "fs/log.h"
#include "meta/base/result.h"

namespace imgmount {

// The descriptors beyond stdio that this process has been started with. To be
// asked before it opens any.
std::vector<int> InheritedDescriptors();

// Forks; REQUIRES: no other thread in this process. The child, in a session of
// its own, in "/", with stdio on /dev/null and `inherited` closed, as whoever
// started this may wait for the end of a pipe, runs `body` and exits. Returns
// in the parent alone: when `body` called `ready` (from any thread), or with
// the error that it ended with before that. A later error goes to `log`.
Status RunInBackground(
    const std::function<Status(const std::function<void()>& ready)>& body,
    const Log& log = {}, const std::vector<int>& inherited = {});

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_DAEMON_H_
