// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/mount_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "fs/fuse/fuse_api.h"
#include "fs/fuse/fuse_log.h"
#include "fs/fuse/fuse_ops.h"
#include "fs/fuse/fuse_request.h"
#include "fs/fuse/page_pusher.h"
#include "fs/fuse/parked_reads.h"
#include "fs/fuse/serve_loop.h"
#include "fs/log.h"
#include "fs/mount/fuse_session.h"
#include "fs/quiet_thread.h"
#include "meta/base/file.h"

namespace imgmount {
namespace {

// Programs read here and there: more is mostly for nothing. What the kernel
// does by itself.
constexpr uint32_t kProgramReadAhead = 128 << 10;

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

// The user data of a session that reads through a journal.
struct JournaledContext : FuseOpsContext {
  RequestJournal* journal = nullptr;
};

RequestJournal& JournalOf(void* user_data) {
  return *static_cast<JournaledContext*>(
              static_cast<FuseOpsContext*>(user_data))
              ->journal;
}

constexpr fuse_custom_io kJournalIo = {
    .writev =
        [](int fd, iovec* parts, int count, void* user_data) {
          return JournalOf(user_data).Write(
              fd, {parts, static_cast<size_t>(count)});
        },
    .read =
        [](int fd, void* out, size_t length, void* user_data) {
          return JournalOf(user_data).Read(
              fd, {static_cast<std::byte*>(out), length});
        },
    .splice_receive = nullptr,
    .splice_send = nullptr};

// Answers what comes until `done`, by itself or because the mount is gone.
void AnswerUntil(fuse_session* session, const std::function<bool()>& done) {
  constexpr int kLookAgainMs = 5;
  FuseRequest request;
  while (!done()) {
    pollfd ready = {::fuse_session_fd(session), POLLIN, 0};
    if (::poll(&ready, 1, kLookAgainMs) <= 0) continue;
    if ((ready.revents & POLLIN) == 0) break;  // unmounted
    const int got = ::fuse_session_receive_buf(session, &request);
    if (got == -EINTR || got == -EAGAIN) continue;
    if (got <= 0) break;
    ::fuse_session_process_buf(session, &request);
  }
}

}  // namespace

Status ServeMount(const FuseMount& mount, const FileSystem& fs,
                  RequestJournal& journal, const ServerConfig& config) {
  const MountOptions& options = mount.config().options;
  const FuseLogScope libfuse(mount.config().log);
  JournaledContext context{
      FuseOpsContext{
          .fs = fs,
          .log = mount.config().log,
          .max_read = options.max_read,
          .ask_always = std::find(options.flags.begin(), options.flags.end(),
                                  "allow_root") != options.flags.end()},
      &journal};
  IMGMOUNT_TRY(const FuseSessionPtr session,
               NewFuseSession(mount.config().name, options, &context));
  // The session closes it.
  const int device = ::fcntl(mount.device(), F_DUPFD_CLOEXEC, 3);
  if (device < 0 ||
      ::fuse_session_custom_io(session.get(), &kJournalIo, device) != 0) {
    return FailErrno("serving the mount", errno);
  }
  ParkedReads parked(fs, [&](const ParkedRead& read, const Status& arrival) {
    if (!arrival) LogTo(mount.config().log, arrival.error().message());
    if (arrival) return AnswerRead(read);
    ::fuse_reply_err(read.req, EIO);
  });
  context.parked = &parked;
  std::optional<PagePusher> pusher;
  if (config.push) {
    pusher.emplace(fs, [&](Ino ino, uint64_t offset, const FileBytes& bytes) {
      return Store(session.get(), ino, offset, bytes);
    });
    context.on_looked_up = [&pusher](Ino ino) { pusher->OnLookedUp(ino); };
    context.on_whole_file_read = [&pusher](Ino ino) { pusher->OnRead(ino); };
    context.on_directory_listed = [&pusher](Ino directory) {
      pusher->OnListed(directory);
    };
  }

  std::atomic<dev_t> number = 0;
  const uint32_t far = options.max_read;
  const bool tells_walks =
      fs.prefetch() != nullptr &&
      fs.prefetch()->SetListener(
          {.on_foreseen =
               [&](const FilePart& part) {
                 if (pusher) pusher->OnForeseen(part);
               },
           .on_walk =
               [&](bool walk) {
                 SetReadAhead(number,
                              walk ? far : std::min(far, kProgramReadAhead));
               }});

  if (journal.has_init()) {
    // Once more, before anything else: the requests that an earlier server left
    // come next, and a session refuses them until it was introduced.
    FuseRequest init;
    if (::fuse_session_receive_buf(session.get(), &init) <= 0) {
      return Fail(ErrorCode::kInternal,
                  "the FUSE_INIT request of the mount is lost");
    }
    ::fuse_session_process_buf(session.get(), &init);
  }

  // Asks the mount as any program would, so that "ready" is the truth.
  std::atomic<bool> asked = false;
  std::thread first_user = StartQuietThread([&] {
    struct stat st = {};
    if (::stat(mount.config().mount_point.c_str(), &st) == 0) {
      number = st.st_dev;
      if (!tells_walks) SetReadAhead(number, far);
      if (config.on_ready) config.on_ready();
    }
    asked = true;
  });
  ServeLoop loop(
      session.get(), config.stop_fd,
      [&fs](auto request) { return AnswersAtOnce(fs, request); },
      mount.config().log);
  Status status = loop.Run();
  if (fs.prefetch() != nullptr) fs.prefetch()->SetListener({});
  // A store, or the first user, may wait for an answer that nobody gives any
  // more.
  AnswerUntil(session.get(), [&] {
    const bool stopped = !pusher || pusher->Stop();
    return stopped && asked;
  });
  first_user.join();
  return status;
}

}  // namespace imgmount
