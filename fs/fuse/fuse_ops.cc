// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/fuse_ops.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>
#include <limits>
#include <string>
#include <vector>

#include "fs/fuse/fuse_api.h"
#include "fs/fuse/parked_reads.h"
#include "meta/base/wire.h"

namespace imgmount {
namespace {

// libfuse turns it into the longest time that the kernel knows.
constexpr double kForEver = std::numeric_limits<double>::max();

// More entries than this are not worth one more buffer.
constexpr size_t kMaxListing = 256 << 10;

const FuseOpsContext& Context(fuse_req_t req) {
  return *static_cast<const FuseOpsContext*>(::fuse_req_userdata(req));
}

const FileSystem& Fs(fuse_req_t req) { return Context(req).fs; }

// Returns what `operation` does; an exception becomes an error of its own.
template <typename Operation>
auto Guarded(Operation&& operation) -> decltype(operation()) {
  try {
    return operation();
  } catch (const std::exception& exception) {
    return Fail(ErrorCode::kInternal, exception.what());
  }
}

// A missing blob or a full disk is not what the caller's path is about: it is
// told EIO unless the answer came from the tree itself.
int ReplyErrno(fuse_req_t req, const char* operation, Ino ino,
               const Error& error) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
      if (error.error_number() == 0) return ENOENT;
      break;
    case ErrorCode::kUsage:
      return ToErrno(error);
    default:
      break;
  }
  LogTo(Context(req).log, std::string(operation) + " of inode " +
                              std::to_string(ino.number()) + ": " +
                              error.message());
  return EIO;
}

void ReplyError(fuse_req_t req, const char* operation, fuse_ino_t ino,
                const Error& error) {
  ::fuse_reply_err(req, ReplyErrno(req, operation, Ino(ino), error));
}

// How long the kernel may answer by itself what it was told, in seconds.
double KeepTime(fuse_req_t req) {
  return Context(req).ask_always ? 0 : kForEver;
}

fuse_entry_param EntryOf(fuse_req_t req, const struct stat& st) {
  fuse_entry_param entry = {};
  entry.ino = st.st_ino;
  entry.attr = st;
  entry.attr_timeout = KeepTime(req);
  entry.entry_timeout = KeepTime(req);
  return entry;
}

void Init(void* userdata, fuse_conn_info* conn) {
  auto& context = *static_cast<FuseOpsContext*>(userdata);
  const auto can_do_without = [&](unsigned opening) {
    return (conn->capable & opening) != 0 && !context.ask_always;
  };
  context.no_open = can_do_without(FUSE_CAP_NO_OPEN_SUPPORT);
  context.no_opendir = can_do_without(FUSE_CAP_NO_OPENDIR_SUPPORT);
  const auto want = [conn](unsigned flags) {
    conn->want |= flags & conn->capable;
  };
  want(FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS |
       FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_READDIRPLUS |
       FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_ASYNC_DIO);
  // Spans are in memory of ours that is used again, so no page of it can be
  // given away; and nothing in the image changes behind the kernel's back.
  conn->want &=
      ~(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA |
        FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
  conn->max_read = context.max_read;
  conn->max_readahead = std::max(conn->max_readahead, context.max_read);
  conn->max_background = 64;
  conn->congestion_threshold = 48;
}

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  if (std::strlen(name) > NAME_MAX) {
    ::fuse_reply_err(req, ENAMETOOLONG);
    return;
  }
  const auto st = Guarded([&] { return Fs(req).Lookup(Ino(parent), name); });
  if (st) {
    const fuse_entry_param entry = EntryOf(req, *st);
    const FuseOpsContext& context = Context(req);
    ::fuse_reply_entry(req, &entry);
    if (context.on_looked_up) context.on_looked_up(Ino(entry.ino));
    return;
  }
  const int error_number = ReplyErrno(req, "lookup", Ino(parent), st.error());
  if (error_number == ENOENT) {
    fuse_entry_param nothing = {};  // inode 0: there is no such name, ever
    nothing.entry_timeout = KeepTime(req);
    ::fuse_reply_entry(req, &nothing);
  } else {
    ::fuse_reply_err(req, error_number);
  }
}

void GetAttr(fuse_req_t req, fuse_ino_t ino, fuse_file_info* /*file*/) {
  const auto st = Guarded([&] { return Fs(req).Attributes(Ino(ino)); });
  if (!st) return ReplyError(req, "stat", ino, st.error());
  ::fuse_reply_attr(req, &*st, KeepTime(req));
}

void ReadLink(fuse_req_t req, fuse_ino_t ino) {
  const auto target = Guarded([&] { return Fs(req).ReadLink(Ino(ino)); });
  if (!target) return ReplyError(req, "readlink", ino, target.error());
  ::fuse_reply_readlink(req, target->c_str());
}

void Open(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* file) {
  if ((file->flags & O_ACCMODE) != O_RDONLY) {
    ::fuse_reply_err(req, EROFS);
  } else if (Context(req).no_open) {
    ::fuse_reply_err(req, ENOSYS);
  } else {
    file->keep_cache = 1;
    ::fuse_reply_open(req, file);
  }
}

void OpenDir(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* file) {
  if (Context(req).no_opendir) {
    ::fuse_reply_err(req, ENOSYS);
    return;
  }
  file->keep_cache = 1;
  file->cache_readdir = 1;
  ::fuse_reply_open(req, file);
}

void Release(fuse_req_t req, fuse_ino_t /*ino*/, fuse_file_info* /*file*/) {
  ::fuse_reply_err(req, 0);
}

void Read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
          fuse_file_info* /*file*/) {
  const ParkedRead read{req, Ino(ino), static_cast<uint64_t>(offset), size};
  ParkedReads* const parked = Context(req).parked;
  if (parked == nullptr || !parked->Park(read)) AnswerRead(read);
}

// Lists into a buffer of at most `size` bytes; `add` answers the bytes that an
// entry takes there, and writes it if they fit.
template <typename Add>
void ReplyListing(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                  Add&& add) {
  thread_local std::vector<char> buffer;
  size_t used = 0;
  const Status status = Guarded([&]() -> Status {
    buffer.resize(std::min(size, kMaxListing));
    std::string name;
    return Fs(req).List(
        Ino(ino), static_cast<uint64_t>(offset),
        [&](const FileSystem::ListedEntry& entry) -> Result<bool> {
          name = entry.name;
          IMGMOUNT_TRY(const size_t taken,
                       add(entry, name.c_str(), buffer.data() + used,
                           buffer.size() - used));
          if (taken > buffer.size() - used) return false;
          used += taken;
          return true;
        });
  });
  // Names from before the error are listed; when asked for the rest, the error
  // comes again.
  if (!status && used == 0) {
    return ReplyError(req, "readdir", ino, status.error());
  }
  if (used == 0 && Context(req).on_directory_listed) {
    Context(req).on_directory_listed(Ino(ino));
  }
  ::fuse_reply_buf(req, buffer.data(), used);
}

void ReadDir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
             fuse_file_info* /*file*/) {
  ReplyListing(req, ino, size, offset,
               [req](const FileSystem::ListedEntry& entry, const char* name,
                     char* out, size_t room) -> Result<size_t> {
                 struct stat st = {};
                 st.st_ino = entry.ino.number();
                 st.st_mode = entry.type;
                 return ::fuse_add_direntry(req, out, room, name, &st,
                                            static_cast<off_t>(entry.next));
               });
}

void ReadDirPlus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                 fuse_file_info* /*file*/) {
  ReplyListing(
      req, ino, size, offset,
      [req](const FileSystem::ListedEntry& entry, const char* name, char* out,
            size_t room) -> Result<size_t> {
        fuse_entry_param param = {};
        if (entry.name_only) {
          // Without an inode the kernel takes the name, and looks it up when
          // it needs more.
          param.attr.st_ino = entry.ino.number();
          param.attr.st_mode = entry.type;
        } else {
          IMGMOUNT_TRY(const struct stat st, Fs(req).Attributes(entry.ino));
          param = EntryOf(req, st);
        }
        return ::fuse_add_direntry_plus(req, out, room, name, &param,
                                        static_cast<off_t>(entry.next));
      });
}

void StatFs(fuse_req_t req, fuse_ino_t /*ino*/) {
  const struct statvfs st = Fs(req).Statistics();
  ::fuse_reply_statfs(req, &st);
}

// `size` 0 asks how much room is needed.
void ReplyXattr(fuse_req_t req, size_t size, const std::string& value) {
  if (size == 0) {
    ::fuse_reply_xattr(req, value.size());
  } else if (size < value.size()) {
    ::fuse_reply_err(req, ERANGE);
  } else {
    ::fuse_reply_buf(req, value.data(), value.size());
  }
}

void GetXattr(fuse_req_t req, fuse_ino_t ino, const char* name, size_t size) {
  if (!Fs(req).any_xattrs()) {
    ::fuse_reply_err(req, ENOSYS);
    return;
  }
  const auto value = Guarded([&] { return Fs(req).Xattr(Ino(ino), name); });
  if (!value) return ReplyError(req, "getxattr", ino, value.error());
  ReplyXattr(req, size, *value);
}

void ListXattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  const auto names = Guarded([&] { return Fs(req).XattrNames(Ino(ino)); });
  if (!names) return ReplyError(req, "listxattr", ino, names.error());
  ReplyXattr(req, size, *names);
}

// Without default_permissions the kernel itself refuses to write and to run
// what has no execute bit; the rest is granted.
void Access(fuse_req_t req, fuse_ino_t /*ino*/, int /*mask*/) {
  ::fuse_reply_err(req, ENOSYS);
}

void Seek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
          fuse_file_info* /*file*/) {
  if (offset < 0) {
    ::fuse_reply_err(req, ENXIO);
    return;
  }
  const auto at = Guarded([&] {
    return Fs(req).Seek(Ino(ino), static_cast<uint64_t>(offset), whence);
  });
  if (!at) return ReplyError(req, "lseek", ino, at.error());
  ::fuse_reply_lseek(req, static_cast<off_t>(*at));
}

// Inodes live as long as the image: there is nothing to forget.
void Forget(fuse_req_t req, fuse_ino_t /*ino*/, uint64_t /*nlookup*/) {
  ::fuse_reply_none(req);
}

void ForgetMulti(fuse_req_t req, size_t /*count*/,
                 fuse_forget_data* /*forgets*/) {
  ::fuse_reply_none(req);
}

// The mount is read-only, so the kernel asks for none of these; but whatever
// asks is told the truth.
template <typename... Rest>
void RefuseToWrite(fuse_req_t req, Rest... /*rest*/) {
  ::fuse_reply_err(req, EROFS);
}

fuse_lowlevel_ops MakeOps() {
  fuse_lowlevel_ops ops = {};
  ops.init = Init;
  ops.lookup = Lookup;
  ops.forget = Forget;
  ops.forget_multi = ForgetMulti;
  ops.getattr = GetAttr;
  ops.readlink = ReadLink;
  ops.open = Open;
  ops.opendir = OpenDir;
  ops.release = Release;
  ops.releasedir = Release;
  ops.read = Read;
  ops.readdir = ReadDir;
  ops.readdirplus = ReadDirPlus;
  ops.statfs = StatFs;
  ops.getxattr = GetXattr;
  ops.listxattr = ListXattr;
  ops.access = Access;
  ops.lseek = Seek;

  ops.setattr = RefuseToWrite;
  ops.mknod = RefuseToWrite;
  ops.mkdir = RefuseToWrite;
  ops.unlink = RefuseToWrite;
  ops.rmdir = RefuseToWrite;
  ops.symlink = RefuseToWrite;
  ops.rename = RefuseToWrite;
  ops.link = RefuseToWrite;
  ops.create = RefuseToWrite;
  ops.write = RefuseToWrite;
  ops.setxattr = RefuseToWrite;
  ops.removexattr = RefuseToWrite;
  ops.fallocate = RefuseToWrite;
  ops.copy_file_range = RefuseToWrite;
  return ops;
}

}  // namespace

void AnswerRead(const ParkedRead& read) {
  const fuse_req_t req = read.req;
  struct Reply {
    FileBytes bytes;
    std::vector<iovec> iov;
  };
  const auto reply = Guarded([&]() -> Result<Reply> {
    IMGMOUNT_TRY(FileBytes bytes,
                 Fs(req).Read(read.ino, read.offset, read.size));
    std::vector<iovec> iov;
    iov.reserve(bytes.pieces.size());
    for (const auto piece : bytes.pieces) {
      iov.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
    }
    return Reply{std::move(bytes), std::move(iov)};
  });
  if (!reply) {
    // The reader logged it, once for each span.
    ::fuse_reply_err(req, EIO);
    return;
  }
  const FuseOpsContext& context = Context(req);
  ::fuse_reply_iov(req, reply->iov.data(), static_cast<int>(reply->iov.size()));
  if (read.offset == 0 && reply->bytes.size == reply->bytes.file_size &&
      context.on_whole_file_read) {
    context.on_whole_file_read(read.ino);
  }
}

bool AnswersAtOnce(const FileSystem& fs, std::span<const std::byte> request) {
  const auto header = ReadWire<fuse_in_header>(request, 0);
  if (!header) return true;  // libfuse will refuse it
  const auto slow = fs.slow();
  switch (header->opcode) {
    case FUSE_READ: {
      const auto read = ReadWire<fuse_read_in>(request, sizeof *header);
      return !read || Guarded([&]() -> Result<bool> {
                        return fs.HasDecoded(Ino(header->nodeid), read->offset,
                                             read->size);
                      }).value_or(false);
    }
    case FUSE_GETXATTR:
    case FUSE_LISTXATTR:
      return slow == FileSystem::Slow::kNothing;
    default:
      return slow != FileSystem::Slow::kAll;
  }
}

const fuse_lowlevel_ops& FuseOps() {
  static const fuse_lowlevel_ops ops = MakeOps();
  return ops;
}

}  // namespace imgmount
