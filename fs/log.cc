// SPDX-License-Identifier: Apache-2.0
#include "fs/log.h"

#include <syslog.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "meta/base/mutex.h"

namespace imgmount {
namespace {

// Hands on one line at a time, and none twice in a row.
class Lines {
 public:
  explicit Lines(Log write) : write_(std::move(write)) {}

  void Add(std::string_view line) {
    const MutexLock lock(mutex_);
    if (line == last_) return;
    last_ = line;
    write_(line);
  }

 private:
  const Log write_;
  Mutex mutex_;
  std::string last_ GUARDED_BY(mutex_);
};

Log WithoutRepeats(Log write) {
  return [lines = std::make_shared<Lines>(std::move(write))](
             std::string_view line) { lines->Add(line); };
}

// Nobody is left to tell when logging fails.
void WriteTo(int fd, const std::string& text) {
  (void)WriteAll(fd, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace

Log StderrLog() {
  return WithoutRepeats([](std::string_view line) {
    WriteTo(STDERR_FILENO, "imgmount: " + std::string(line) + '\n');
  });
}

Log SyslogLog() {
  ::openlog("imgmount", LOG_PID, LOG_DAEMON);
  return WithoutRepeats([](std::string_view line) {
    ::syslog(LOG_WARNING, "%.*s", static_cast<int>(line.size()), line.data());
  });
}

Log FileLog(UniqueFd file) {
  const auto shared = std::make_shared<UniqueFd>(std::move(file));
  return WithoutRepeats([shared](std::string_view line) {
    const std::time_t now = std::time(nullptr);
    std::tm parts = {};
    ::localtime_r(&now, &parts);
    char stamp[32] = "";
    std::strftime(stamp, sizeof stamp, "%F %T ", &parts);
    WriteTo(shared->get(), stamp + std::string(line) + '\n');
  });
}

}  // namespace imgmount
