// SPDX-License-Identifier: Apache-2.0
#include "fs/log.h"

#include <syslog.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <span>
#include <string>

#include "meta/base/mutex.h"

namespace imgmount {
namespace {

struct LogState {
  Mutex mutex;
  LogSink sink GUARDED_BY(mutex);
  std::string last GUARDED_BY(mutex);
};

// Never destroyed: a thread may log while the process ends.
LogState& State() {
  static auto* state = new LogState;
  return *state;
}

// Nobody is left to tell when logging fails.
void WriteTo(int fd, const std::string& text) {
  (void)WriteAll(fd, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace

void Log(std::string_view line) {
  LogState& state = State();
  const MutexLock lock(state.mutex);
  if (line == state.last) return;
  state.last = line;
  if (state.sink) {
    state.sink(line);
  } else {
    WriteTo(STDERR_FILENO, "imgmount: " + state.last + '\n');
  }
}

void SetLogSink(LogSink sink) {
  LogState& state = State();
  const MutexLock lock(state.mutex);
  state.sink = std::move(sink);
  state.last.clear();
}

LogSink SyslogSink() {
  ::openlog("imgmount", LOG_PID, LOG_DAEMON);
  return [](std::string_view line) {
    ::syslog(LOG_WARNING, "%.*s", static_cast<int>(line.size()), line.data());
  };
}

LogSink FileSink(UniqueFd file) {
  auto shared = std::make_shared<UniqueFd>(std::move(file));
  return [shared](std::string_view line) {
    const std::time_t now = std::time(nullptr);
    std::tm parts = {};
    ::localtime_r(&now, &parts);
    char stamp[32] = "";
    std::strftime(stamp, sizeof stamp, "%F %T ", &parts);
    WriteTo(shared->get(), stamp + std::string(line) + '\n');
  };
}

}  // namespace imgmount
