// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/unified_diff.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>

#include "meta/base/file.h"

namespace imgmount {
namespace {

constexpr int kDiffTrouble = 2;

// A file without a name, that the child inherits.
Result<UniqueFd> InMemory(std::string_view bytes) {
  UniqueFd fd(::memfd_create("imgdiff", 0));
  if (!fd) return FailErrno("memfd_create", errno);
  IMGMOUNT_CHECK(WriteAll(fd.get(), std::as_bytes(std::span(bytes))));
  return fd;
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

}  // namespace

Result<std::string> UnifiedDiff(std::string_view a, std::string_view b,
                                const std::string& label_a,
                                const std::string& label_b) {
  IMGMOUNT_TRY(const UniqueFd file_a, InMemory(a));
  IMGMOUNT_TRY(const UniqueFd file_b, InMemory(b));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return FailErrno("pipe", errno);
  const UniqueFd from_diff(ends[0]);
  UniqueFd to_us(ends[1]);
  FileActions actions;
  ::posix_spawn_file_actions_adddup2(actions.get(), to_us.get(), STDOUT_FILENO);

  std::array<std::string, 9> words = {
      "diff",
      "-u",
      "--text",
      "--label",
      label_a,
      "--label",
      label_b,
      fmt::format("/proc/self/fd/{}", file_a.get()),
      fmt::format("/proc/self/fd/{}", file_b.get())};
  std::array<char*, words.size() + 1> arguments = {};
  for (size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  std::string c_locale = "LC_ALL=C";
  char* environment[] = {c_locale.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "diff", actions.get(), nullptr,
                                   arguments.data(), environment);
  if (error != 0) return FailErrno("cannot run diff", error);
  to_us.Reset();

  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = ::read(from_diff.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) >= kDiffTrouble) {
    return Fail(ErrorCode::kIo, "diff failed");
  }
  return text;
}

bool IsText(std::string_view bytes) {
  constexpr size_t kLooksAt = 8000;
  return bytes.substr(0, kLooksAt).find('\0') == std::string_view::npos;
}

}  // namespace imgmount
