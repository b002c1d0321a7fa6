// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/fuse_session.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <sstream>
#include <string_view>
#include <vector>

#include "fs/fuse/fuse_api.h"
#include "fs/fuse/fuse_log.h"
#include "fs/mount/mount_table.h"
#include "meta/base/mutex.h"

namespace imgmount {
namespace {

std::vector<std::string> Arguments(const std::string& name,
                                   const MountOptions& options) {
  std::string list;
  const auto add = [&list](std::string_view option) {
    if (!list.empty()) list += ',';
    for (const char c : option) {
      if (c == ',' || c == '\\') list += '\\';
      list += c;
    }
  };
  for (const std::string& flag : options.flags) add(flag);
  add("fsname=" + options.fsname.value_or(name));
  add(std::string("subtype=") + kFuseSubtype);
  add("max_read=" + std::to_string(options.max_read));
  return {"imgmount", "-o", list};
}

// All that a file holds, without the names of those who wrote it.
std::string OneLine(int fd) {
  std::string text(4096, '\0');
  const auto bytes = std::as_writable_bytes(std::span(text));
  text.resize(ReadAt(fd, bytes, 0).value_or(0));
  std::string line;
  std::istringstream lines(text);
  for (std::string part; std::getline(lines, part);) {
    for (const std::string_view who : {"fuse: ", "fusermount3: "}) {
      if (part.starts_with(who)) part.erase(0, who.size());
    }
    if (part.empty()) continue;
    if (!line.empty()) line += "; ";
    line += part;
  }
  return line;
}

}  // namespace

void DestroyFuseSession::operator()(fuse_session* session) const {
  ::fuse_session_destroy(session);
}

Result<FuseSessionPtr> NewFuseSession(const std::string& name,
                                      const MountOptions& options,
                                      FuseOpsContext* context) {
  std::vector<std::string> arguments = Arguments(name, options);
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  for (const std::string& argument : arguments) {
    if (::fuse_opt_add_arg(&args, argument.c_str()) != 0) {
      return FailErrno("fuse", ENOMEM);
    }
  }
  FuseSessionPtr session;
  const std::string messages = CaptureMessages([&] {
    session.reset(
        ::fuse_session_new(&args, &FuseOps(), sizeof(FuseOps()), context));
  });
  ::fuse_opt_free_args(&args);
  if (!session) return Fail(ErrorCode::kMount, messages);
  return session;
}

std::string CaptureMessages(const std::function<void()>& act) {
  static Mutex replacing;
  const MutexLock lock(replacing);
  const UniqueFd text(::memfd_create("imgmount-stderr", MFD_CLOEXEC));
  const UniqueFd before(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  if (text && before) ::dup2(text.get(), STDERR_FILENO);
  {
    const Log to_stderr = [](std::string_view line) {
      const std::string out = std::string(line) + '\n';
      (void)WriteAll(STDERR_FILENO, std::as_bytes(std::span(out)));
    };
    const FuseLogScope libfuse(to_stderr);
    act();
  }
  if (text && before) ::dup2(before.get(), STDERR_FILENO);
  return OneLine(text.get());
}

}  // namespace imgmount
