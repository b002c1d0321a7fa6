// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "fs/fuse/fuse_api.h"
#include "fs/fuse/fuse_ops.h"
#include "fs/fuse/page_pusher.h"
#include "fs/fuse/serve_loop.h"
#include "fs/log.h"
#include "fs/mount/mount_table.h"
#include "fs/quiet_thread.h"
#include "meta/base/file.h"

namespace imgmount {
namespace {

// Programs read here and there: more is mostly for nothing. What the kernel
// does by itself.
constexpr uint32_t kProgramReadAhead = 128 << 10;

constexpr char kFuseDevice[] = "/dev/fuse";

struct DestroySession {
  void operator()(fuse_session* session) const {
    ::fuse_session_destroy(session);
  }
};
using SessionPtr = std::unique_ptr<fuse_session, DestroySession>;

// While it lives, the signals that end a mount wait in its file. Threads that
// are made meanwhile must take none.
class EndingSignals {
 public:
  static Result<EndingSignals> Catch() {
    EndingSignals signals;
    ::sigemptyset(&signals.ending_);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
      ::sigaddset(&signals.ending_, number);
    }
    signals.fd_ =
        UniqueFd(::signalfd(-1, &signals.ending_, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals.fd_) return FailErrno("signals", errno);
    ::pthread_sigmask(SIG_BLOCK, &signals.ending_, &signals.before_);
    return signals;
  }
  EndingSignals(EndingSignals&&) = default;
  ~EndingSignals() {
    if (!fd_) return;
    // Those that came did what they should.
    for (signalfd_siginfo got; ::read(fd_.get(), &got, sizeof got) > 0;) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  int fd() const { return fd_.get(); }

 private:
  EndingSignals() = default;
  UniqueFd fd_;
  sigset_t ending_;
  sigset_t before_;
};

// While it lives, what libfuse and fusermount3 print is kept, for the one line
// that says why a mount failed. fusermount3 inherits stderr, so that is
// replaced; no other thread may be printing.
class MountMessages {
 public:
  MountMessages()
      : saved_stderr_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)),
        text_(::memfd_create("imgmount-stderr", MFD_CLOEXEC)) {
    if (saved_stderr_ && text_) ::dup2(text_.get(), STDERR_FILENO);
    ::fuse_set_log_func(nullptr);  // to stderr
  }
  ~MountMessages() {
    if (saved_stderr_ && text_) ::dup2(saved_stderr_.get(), STDERR_FILENO);
    ::fuse_set_log_func(LogFuse);
  }
  MountMessages(const MountMessages&) = delete;
  MountMessages& operator=(const MountMessages&) = delete;

  // All that was printed, in one line.
  std::string Line() const {
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

 private:
  static void LogFuse(fuse_log_level /*level*/, const char* format,
                      va_list arguments) {
    char text[512];
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    if (length <= 0) return;
    std::string_view line(text, std::min<size_t>(length, sizeof text - 1));
    while (line.ends_with('\n')) line.remove_suffix(1);
    Log(line);
  }

  UniqueFd saved_stderr_;
  UniqueFd text_;
};

Status CheckFuseDevice() {
  const auto device = OpenFile(kFuseDevice, O_RDWR);
  if (device) return {};
  switch (device.error().error_number()) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return Fail(ErrorCode::kMount,
                  "/dev/fuse is missing; load the module (modprobe fuse), or "
                  "start the container with --device /dev/fuse");
    case EACCES:
    case EPERM:
      return Fail(ErrorCode::kMount,
                  "/dev/fuse: permission denied; root can allow its use "
                  "(chmod 666 /dev/fuse), or the container's device rules");
    default:
      return {};  // libfuse will say it better
  }
}

std::vector<std::string> Arguments(const SessionConfig& config) {
  std::string list;
  const auto add = [&list](std::string_view option) {
    if (!list.empty()) list += ',';
    for (const char c : option) {
      if (c == ',' || c == '\\') list += '\\';
      list += c;
    }
  };
  for (const std::string& flag : config.options.flags) add(flag);
  add("fsname=" + config.options.fsname.value_or(config.name));
  add(std::string("subtype=") + kFuseSubtype);
  add("max_read=" + std::to_string(config.options.max_read));
  return {"imgmount", "-o", list};
}

Result<SessionPtr> NewSession(const SessionConfig& config,
                              FuseOpsContext& context) {
  std::vector<std::string> arguments = Arguments(config);
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  for (const std::string& argument : arguments) {
    if (::fuse_opt_add_arg(&args, argument.c_str()) != 0) {
      return FailErrno("fuse", ENOMEM);
    }
  }
  const MountMessages messages;
  SessionPtr session(
      ::fuse_session_new(&args, &FuseOps(), sizeof(FuseOps()), &context));
  ::fuse_opt_free_args(&args);
  if (!session) return Fail(ErrorCode::kMount, messages.Line());
  return session;
}

Status Mount(fuse_session* session, const SessionConfig& config) {
  const MountMessages messages;
  if (::fuse_session_mount(session, config.mount_point.c_str()) == 0) {
    return {};
  }
  IMGMOUNT_CHECK(CheckFuseDevice());
  std::string reason = messages.Line();
  if (::geteuid() != 0 && ::access("/usr/bin/fusermount3", X_OK) != 0 &&
      ::access("/bin/fusermount3", X_OK) != 0) {
    reason = "fusermount3 is missing; install the package fuse3";
  }
  return Fail(ErrorCode::kMount,
              fmt::format("cannot mount on {}: {}", config.mount_point.string(),
                          reason.empty() ? "the kernel refused" : reason));
}

// How far the kernel reads ahead in files that are opened from now on. Only
// root may tell it; a mount works without.
void SetReadAhead(dev_t device, uint32_t bytes) {
  std::ofstream file(fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb",
                                 gnu_dev_major(device), gnu_dev_minor(device)));
  file << bytes / 1024 << std::flush;
}

Status Store(fuse_session* session, Ino ino, uint64_t offset,
             const FileBytes& file) {
  std::vector<std::byte> joined;
  std::span<const std::byte> bytes;
  if (file.pieces.size() == 1) {
    bytes = file.pieces.front();
  } else {
    for (const auto piece : file.pieces) {
      joined.insert(joined.end(), piece.begin(), piece.end());
    }
    bytes = joined;
  }
  fuse_bufvec buffer = FUSE_BUFVEC_INIT(bytes.size());
  buffer.buf[0].mem = const_cast<std::byte*>(bytes.data());
  const int error = ::fuse_lowlevel_notify_store(
      session, ino.number(), static_cast<off_t>(offset), &buffer,
      static_cast<fuse_buf_copy_flags>(0));
  if (error != 0) return FailErrno("notify_store", -error);
  return {};
}

// The loop is over, and a store may wait for a read that nobody answers any
// more: answer until it is through.
void ServeUntilStopped(fuse_session* session, PagePusher& pusher) {
  constexpr int kLookAgainMs = 5;
  fuse_buf buffer = {};
  while (!pusher.Stop()) {
    pollfd ready = {::fuse_session_fd(session), POLLIN, 0};
    if (::poll(&ready, 1, kLookAgainMs) <= 0) continue;
    if ((ready.revents & POLLIN) == 0) break;  // unmounted: stores fail
    const int got = ::fuse_session_receive_buf(session, &buffer);
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got <= 0) break;
    ::fuse_session_process_buf(session, &buffer);
  }
  std::free(buffer.mem);
}

// An aborted connection leaves a dead mount behind. Its device alone does not
// tell it from a new one on its place: the kernel uses numbers again.
void RemoveDeadMount(const std::filesystem::path& point, dev_t device) {
  struct statvfs asked = {};  // never out of the kernel's memory
  if (::statvfs(point.c_str(), &asked) == 0) return;
  const auto table = ReadMountTable();
  if (!table) return;
  const auto mount = MountAt(*table, point);
  if (mount && mount->is_ours() && mount->device == device) {
    (void)UnmountPoint(point, Unmount::kLazy);
  }
}

}  // namespace

Result<std::filesystem::path> CheckMountPoint(
    const std::filesystem::path& path) {
  const auto wrong = [&path](std::string_view what) {
    return Fail(ErrorCode::kMount,
                fmt::format("mount point {} {}", path.string(), what));
  };
  const auto canonical = MountPointPath(path);
  if (!canonical) return wrong("does not exist; make it first (mkdir)");
  IMGMOUNT_TRY(const auto table, ReadMountTable());
  const auto mounted = MountAt(table, *canonical);
  if (mounted && mounted->is_ours()) {
    return wrong(
        fmt::format("is in use: {} is mounted there; unmount it "
                    "first (imgmount -u {})",
                    mounted->source, path.string()));
  }
  struct stat st = {};
  if (::stat(canonical->c_str(), &st) != 0) {
    if (errno == ENOENT) return wrong("does not exist; make it first (mkdir)");
    return wrong("cannot be used: " + std::generic_category().message(errno));
  }
  if (!S_ISDIR(st.st_mode)) return wrong("is not a directory");
  IMGMOUNT_CHECK(CheckFuseDevice());
  return *canonical;
}

Status RunSession(const FileSystem& fs, bool push, const SessionConfig& config,
                  const std::function<void()>& on_ready) {
  const auto& flags = config.options.flags;
  FuseOpsContext context{.fs = fs,
                         .max_read = config.options.max_read,
                         .ask_always = std::find(flags.begin(), flags.end(),
                                                 "allow_root") != flags.end()};
  IMGMOUNT_TRY(const SessionPtr session, NewSession(config, context));
  std::optional<PagePusher> pusher;
  if (push) {
    pusher.emplace(fs, [&](Ino ino, uint64_t offset, const FileBytes& bytes) {
      return Store(session.get(), ino, offset, bytes);
    });
    context.on_looked_up = [&pusher](Ino ino) { pusher->OnLookedUp(ino); };
    context.on_whole_file_read = [&pusher](Ino ino) { pusher->OnRead(ino); };
    context.on_directory_listed = [&pusher](Ino directory) {
      pusher->OnListed(directory);
    };
  }

  IMGMOUNT_TRY(const EndingSignals signals, EndingSignals::Catch());
  if (config.on_mounting) config.on_mounting();
  IMGMOUNT_CHECK(CheckMountPoint(config.mount_point));
  IMGMOUNT_CHECK(Mount(session.get(), config));

  std::atomic<dev_t> device = 0;
  const uint32_t far = config.options.max_read;
  const bool tells_walks =
      fs.prefetch() != nullptr &&
      fs.prefetch()->SetListener(
          {.on_foreseen =
               [&](const FilePart& part) {
                 if (pusher) pusher->OnForeseen(part);
               },
           .on_walk =
               [&](bool walk) {
                 SetReadAhead(device,
                              walk ? far : std::min(far, kProgramReadAhead));
               }});

  // Asks the mount as any program would, so that "ready" is the truth.
  std::thread first_user = StartQuietThread([&] {
    struct stat st = {};
    if (::stat(config.mount_point.c_str(), &st) != 0) return;
    device = st.st_dev;
    if (!tells_walks) SetReadAhead(device, far);
    if (on_ready) on_ready();
  });
  ServeLoop loop(session.get(), signals.fd(),
                 [&fs](auto request) { return AnswersAtOnce(fs, request); });
  Status status = loop.Run();
  if (fs.prefetch() != nullptr) fs.prefetch()->SetListener({});
  if (pusher) ServeUntilStopped(session.get(), *pusher);
  ::fuse_session_unmount(session.get());
  first_user.join();
  if (device != 0) RemoveDeadMount(config.mount_point, device);
  return status;
}

}  // namespace imgmount
