// SPDX-License-Identifier: Apache-2.0
// BusErrorLog: a process that dies of a bus error says why.
//
// A mapped file that was cut, or that the disk does not give back, is SIGBUS
// for whoever reads it. That ends the process as always; what its mount shows
// then is the keeper's business (fs/keep).
#ifndef IMGMOUNT_FS_MOUNT_BUS_ERROR_LOG_H_
#define IMGMOUNT_FS_MOUNT_BUS_ERROR_LOG_H_

#include <csignal>

#include "fs/log.h"

namespace imgmount {

// One at a time in a process.
class BusErrorLog {
 public:
  explicit BusErrorLog(const Log& log);
  ~BusErrorLog();
  BusErrorLog(const BusErrorLog&) = delete;
  BusErrorLog& operator=(const BusErrorLog&) = delete;

 private:
  struct sigaction before_ = {};
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_MOUNT_BUS_ERROR_LOG_H_
