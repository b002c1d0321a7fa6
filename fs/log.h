// SPDX-License-Identifier: Apache-2.0
// The log of a mount: one line at a time, from any thread.
//
// A process has one log, because libfuse has one too. It starts on stderr; a
// daemon has none, so it goes to the system log or to a file.
#ifndef IMGMOUNT_FS_LOG_H_
#define IMGMOUNT_FS_LOG_H_

#include <functional>
#include <string_view>

#include "meta/base/file.h"

namespace imgmount {

// Writes a line; the same line again and again is written once.
void Log(std::string_view line);

using LogSink = std::function<void(std::string_view line)>;
// Replaces the sink; an empty one means stderr.
void SetLogSink(LogSink sink);

LogSink SyslogSink();
// Lines with date and time, appended to the file.
LogSink FileSink(UniqueFd file);

}  // namespace imgmount

#endif  // IMGMOUNT_FS_LOG_H_
