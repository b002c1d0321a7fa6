// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/daemon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>

#include "meta/base/file.h"

namespace imgmount {
namespace {

// The child's message: kReady, or an error: its code, then its message.
constexpr uint8_t kReady = 0xff;
constexpr size_t kMaxMessage = 64 << 10;

// The parent may be gone; the mount is there all the same.
void Tell(int fd, uint8_t code, const std::string& message) {
  std::string bytes(1, static_cast<char>(code));
  bytes += message;
  (void)WriteAll(fd, std::as_bytes(std::span(bytes.data(), bytes.size())));
}

void Detach(const std::vector<int>& inherited) {
  ::setsid();
  if (::chdir("/") != 0) std::abort();  // cannot be
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null) ::dup2(null.get(), fd);
  }
  for (const int fd : inherited) ::close(fd);
}

[[noreturn]] void RunChild(
    UniqueFd pipe,
    const std::function<Status(const std::function<void()>&)>& body,
    const Log& log, const std::vector<int>& inherited) {
  Detach(inherited);
  ::signal(SIGPIPE, SIG_IGN);
  bool told = false;
  const Status status = body([&] {
    Tell(pipe.get(), kReady, "");
    told = true;
    pipe.Reset();
  });
  if (status) std::exit(EXIT_SUCCESS);
  const Error& error = status.error();
  if (told) {
    LogTo(log, error.message());
  } else {
    Tell(pipe.get(), static_cast<uint8_t>(error.code()), error.message());
  }
  std::exit(ExitStatus(error));
}

std::string ReadToEnd(int fd) {
  std::string text;
  char buffer[4096];
  while (text.size() < kMaxMessage) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
    // Nothing more comes, though the other end may stay open.
    if (static_cast<uint8_t>(text[0]) == kReady) break;
  }
  return text;
}

}  // namespace

std::vector<int> InheritedDescriptors() {
  std::vector<int> found;
  std::error_code error;
  std::filesystem::directory_iterator it("/proc/self/fd", error);
  for (; !error && it != std::filesystem::directory_iterator();
       it.increment(error)) {
    const int fd = std::atoi(it->path().filename().c_str());
    if (fd > STDERR_FILENO) found.push_back(fd);
  }
  // It has listed its own.
  it = {};
  std::erase_if(found, [](int fd) { return ::fcntl(fd, F_GETFD) < 0; });
  return found;
}

Status RunInBackground(
    const std::function<Status(const std::function<void()>& ready)>& body,
    const Log& log, const std::vector<int>& inherited) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return FailErrno("pipe", errno);
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return FailErrno("fork", errno);
  if (child == 0) {
    read_end.Reset();
    RunChild(std::move(write_end), body, log, inherited);
  }
  write_end.Reset();
  const std::string told = ReadToEnd(read_end.get());
  if (!told.empty() && static_cast<uint8_t>(told[0]) == kReady) return {};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!told.empty()) {
    return Fail(static_cast<ErrorCode>(told[0]), told.substr(1));
  }
  if (WIFSIGNALED(status)) {
    return Fail(ErrorCode::kInternal,
                std::string("the mount's process ended: ") +
                    ::strsignal(WTERMSIG(status)));
  }
  return Fail(ErrorCode::kMount, "the mount ended before it was ready");
}

}  // namespace imgmount
