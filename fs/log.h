// SPDX-License-Identifier: Apache-2.0
// Where a mount writes what went wrong: a value, which each mount has of its
// own.
#ifndef IMGMOUNT_FS_LOG_H_
#define IMGMOUNT_FS_LOG_H_

#include <functional>
#include <string_view>

#include "meta/base/file.h"

namespace imgmount {

// Takes one line, without a line end; from any thread. Copies write to the same
// place. An empty one says nothing: see LogTo.
using Log = std::function<void(std::string_view line)>;

inline void LogTo(const Log& log, std::string_view line) {
  if (log) log(line);
}

// These leave out a line that is the same as the one before.
Log StderrLog();
Log SyslogLog();
// Lines with date and time, appended to the file.
Log FileLog(UniqueFd file);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_LOG_H_
