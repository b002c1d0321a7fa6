// SPDX-License-Identifier: Apache-2.0
#include "meta/base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <system_error>

#include "meta/base/regular_file.h"

namespace imgmount {
namespace fs = std::filesystem;

void UniqueFd::Reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<UniqueFd> OpenFile(const fs::path& path, int flags, mode_t mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return FailErrno(path.string(), errno);
  return UniqueFd(fd);
}

bool IsOurs(const struct stat& stat) {
  return (stat.st_uid == ::geteuid() || stat.st_uid == 0) &&
         (stat.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Result<size_t> ReadAt(int fd, std::span<std::byte> out, uint64_t offset) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd, out.data() + done, out.size() - done,
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno("read", errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

Status WriteAll(int fd, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno("write", errno);
    data = data.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status WriteAt(int fd, std::span<const std::byte> data, uint64_t offset) {
  while (!data.empty()) {
    const ssize_t n =
        ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno("write", errno);
    data = data.subspan(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Status Publish(int fd, const fs::path& from, const fs::path& to) {
  if (::fsync(fd) != 0) return FailErrno(to.string(), errno);
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return FailErrno(to.string(), errno);
  }
  const fs::path folder =
      to.has_parent_path() ? to.parent_path() : fs::path(".");
  IMGMOUNT_TRY(const UniqueFd dir, OpenFile(folder, O_RDONLY | O_DIRECTORY));
  if (::fsync(dir.get()) != 0) return FailErrno(folder.string(), errno);
  return {};
}

Result<std::string> ReadFile(const fs::path& path, size_t limit) {
  IMGMOUNT_TRY(UniqueFd fd, OpenFile(path, O_RDONLY));
  // Grown as it is read: st_size says nothing for /proc or a pipe.
  std::string content;
  std::byte buffer[16384];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno(path.string(), errno);
    if (n == 0) return content;
    content.append(reinterpret_cast<const char*>(buffer),
                   static_cast<size_t>(n));
    if (content.size() > limit) {
      return Fail(ErrorCode::kCorrupt, path.string() + ": larger than " +
                                           std::to_string(limit) + " bytes");
    }
  }
}

namespace {

// Not opened by that name: a file would be one of its own, a socket none.
Result<UniqueFd> OpenStream(int standard) {
  UniqueFd fd(::fcntl(standard, F_DUPFD_CLOEXEC, 3));
  if (!fd) return FailErrno("standard stream", errno);
  return fd;
}

bool IsStream(const fs::path& path, std::string_view name) {
  return path == "-" || path == name;
}

}  // namespace

Result<UniqueFd> OpenInput(const fs::path& path) {
  if (IsStream(path, "/dev/stdin")) return OpenStream(STDIN_FILENO);
  return OpenFile(path, O_RDONLY);
}

AtomicFile::AtomicFile(UniqueFd fd, fs::path temporary, fs::path final_path)
    : fd_(std::move(fd)),
      temporary_(std::move(temporary)),
      final_path_(std::move(final_path)) {}

// As mkostemp(3), whose files only their owner may read: to widen that one
// would have to know the umask, which cannot be asked for without setting it,
// for all threads.
Result<AtomicFile> AtomicFile::Create(fs::path final_path) {
  constexpr int kTries = 100;
  std::random_device random;
  for (int i = 0; i < kTries; ++i) {
    std::string name =
        fmt::format("{}.tmp-{:08x}", final_path.string(), random());
    const int fd =
        ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd >= 0) {
      return AtomicFile(UniqueFd(fd), std::move(name), std::move(final_path));
    }
    if (errno != EEXIST) break;
  }
  return FailErrno(final_path.string(), errno);
}

Result<AtomicFile> AtomicFile::CreateOutput(const fs::path& final_path) {
  if (IsStream(final_path, "/dev/stdout")) {
    IMGMOUNT_TRY(UniqueFd out, OpenStream(STDOUT_FILENO));
    return AtomicFile(std::move(out), {}, final_path);
  }
  std::error_code error;
  const bool exists = fs::exists(final_path, error);
  if (error) return FailErrno(final_path.string(), error.value());
  if (!exists) {
    const fs::path target = fs::read_symlink(final_path, error);
    if (error) return Create(final_path);
    return CreateOutput(final_path.parent_path() / target);
  }
  if (!fs::is_regular_file(final_path, error)) {
    IMGMOUNT_TRY(UniqueFd fd, OpenFile(final_path, O_WRONLY));
    return AtomicFile(std::move(fd), {}, final_path);
  }
  const fs::path target = fs::canonical(final_path, error);
  return Create(error ? final_path : target);
}

AtomicFile::~AtomicFile() {
  if (fd_ && !temporary_.empty()) ::unlink(temporary_.c_str());
}

Status AtomicFile::Write(std::span<const std::byte> data) {
  if (auto written = WriteAll(fd_.get(), data); !written) {
    return Failure(std::move(written).error().In(final_path_.string()));
  }
  return {};
}

Status AtomicFile::Write(std::string_view data) {
  return Write(std::as_bytes(std::span(data)));
}

Status AtomicFile::Commit() {
  if (temporary_.empty()) return {};
  IMGMOUNT_CHECK(Publish(fd_.get(), temporary_, final_path_));
  temporary_.clear();
  fd_.Reset();
  return {};
}

Result<MappedFile> MappedFile::Open(const fs::path& path) {
  IMGMOUNT_TRY(UniqueFd fd, OpenRegularFile(path));
  MappedFile file;
  if (::fstat(fd.get(), &file.stat_) != 0) {
    return FailErrno(path.string(), errno);
  }
  const auto size = static_cast<size_t>(file.stat_.st_size);
  if (size == 0) return file;
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) return FailErrno(path.string(), errno);
  (void)::madvise(address, size, MADV_RANDOM);
  file.data_ = {static_cast<const std::byte*>(address), size};
  return file;
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(stat_, other.stat_);
  return *this;
}

void MappedFile::WillNeed(size_t offset, size_t length) const {
  if (offset >= data_.size()) return;
  length = std::min(length, data_.size() - offset);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t before = offset % page;
  InPortions(offset - before, before + length, [&](size_t at, size_t portion) {
    (void)::madvise(const_cast<std::byte*>(data_.data() + at), portion,
                    MADV_WILLNEED);
  });
}

MappedFile::~MappedFile() {
  if (data_.empty()) return;
  ::munmap(const_cast<std::byte*>(data_.data()), data_.size());
}

Result<UniqueFd> OpenLockFile(const fs::path& path) {
  auto fd = OpenRegularFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
  if (fd) return fd;
  const int error = fd.error().error_number();
  if (error != EACCES && error != EROFS) return fd;
  auto read_only = OpenRegularFile(path, O_RDONLY | O_NOFOLLOW);
  return read_only ? std::move(read_only) : std::move(fd);
}

Result<FileLock> FileLock::Acquire(const fs::path& path) {
  IMGMOUNT_TRY(UniqueFd fd, OpenLockFile(path));
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return FailErrno("lock " + path.string(), errno);
  }
  return FileLock(std::move(fd));
}

Result<std::optional<FileLock>> FileLock::TryAcquire(const fs::path& path) {
  IMGMOUNT_TRY(UniqueFd fd, OpenLockFile(path));
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::optional<FileLock>();
    if (errno != EINTR) return FailErrno("lock " + path.string(), errno);
  }
  return std::optional(FileLock(std::move(fd)));
}

Status MakeDirectories(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return {};
  if (path.has_parent_path() && path.parent_path() != path) {
    IMGMOUNT_CHECK(MakeDirectories(path.parent_path()));
  }
  // Not create_directories(): others of the group could write there, where the
  // umask lets them.
  if (::mkdir(path.c_str(), 0755) == 0) return {};
  const int failed = errno;
  if (failed == EEXIST && fs::is_directory(path, error)) return {};
  return FailErrno(path.string(), failed);
}

}  // namespace imgmount
