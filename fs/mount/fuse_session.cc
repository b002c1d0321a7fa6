// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/fuse_session.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <span>
#include <sstream>
#include <string_view>
#include <vector>

#include "fs/fuse/fuse_api.h"
#include "fs/log.h"
#include "fs/mount/mount_table.h"

namespace imgmount {
namespace {

void LogFuse(fuse_log_level /*level*/, const char* format, va_list arguments) {
  char text[512];
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  if (length <= 0) return;
  std::string_view line(text, std::min<size_t>(length, sizeof text - 1));
  while (line.ends_with('\n')) line.remove_suffix(1);
  Log(line);
}

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
  const MountMessages messages;
  FuseSessionPtr session(
      ::fuse_session_new(&args, &FuseOps(), sizeof(FuseOps()), context));
  ::fuse_opt_free_args(&args);
  if (!session) return Fail(ErrorCode::kMount, messages.Line());
  return session;
}

MountMessages::MountMessages()
    : saved_stderr_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)),
      text_(::memfd_create("imgmount-stderr", MFD_CLOEXEC)) {
  if (saved_stderr_ && text_) ::dup2(text_.get(), STDERR_FILENO);
  ::fuse_set_log_func(nullptr);  // to stderr
}

MountMessages::~MountMessages() {
  if (saved_stderr_ && text_) ::dup2(saved_stderr_.get(), STDERR_FILENO);
  ::fuse_set_log_func(LogFuse);
}

std::string MountMessages::Line() const {
  std::string text(4096, '\0');
  const auto bytes = std::as_writable_bytes(std::span(text));
  text.resize(ReadAt(text_.get(), bytes, 0).value_or(0));
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

}  // namespace imgmount
