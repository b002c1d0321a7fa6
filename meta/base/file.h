// SPDX-License-Identifier: Apache-2.0
// Files: descriptors, whole reads, atomic writes, mappings.
#ifndef IMGMOUNT_META_BASE_FILE_H_
#define IMGMOUNT_META_BASE_FILE_H_

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "meta/base/result.h"

namespace imgmount {

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC; errors name the path.
Result<UniqueFd> OpenFile(const std::filesystem::path& path, int flags,
                          mode_t mode = 0);

// Whether nobody but its owner, who is the caller or root, could have written
// the file.
bool IsOurs(const struct stat& stat);

// A file that a user names, for reading; "-" is standard input.
Result<UniqueFd> OpenInput(const std::filesystem::path& path);

// pread(2) until `out` is full or the end of the file; returns bytes read.
Result<size_t> ReadAt(int fd, std::span<std::byte> out, uint64_t offset);

// Writes all of `data` at the file's position.
Status WriteAll(int fd, std::span<const std::byte> data);

// pwrite(2) of all of `data`.
Status WriteAt(int fd, std::span<const std::byte> data, uint64_t offset);

// From here on the file under `from` has its final name, and is on disk to
// stay. `fd` is the file.
Status Publish(int fd, const std::filesystem::path& from,
               const std::filesystem::path& to);

// Reads a whole file of at most `limit` bytes; a larger one is kCorrupt.
Result<std::string> ReadFile(const std::filesystem::path& path, size_t limit);

// A file that gets its name only when it is complete: written to a temporary
// in the same folder, then fsync, rename, fsync of the folder. Destroyed
// without Commit(), it leaves nothing.
class AtomicFile {
 public:
  static Result<AtomicFile> Create(std::filesystem::path final_path);
  // For a path that a user names: a link is followed, a pipe or a device is
  // written to as it is, and "-" is standard output.
  static Result<AtomicFile> CreateOutput(
      const std::filesystem::path& final_path);
  AtomicFile(AtomicFile&&) = default;
  AtomicFile& operator=(AtomicFile&&) = default;
  ~AtomicFile();

  int fd() const { return fd_.get(); }
  Status Write(std::span<const std::byte> data);
  Status Write(std::string_view data);
  // Replaces what has the final name. Mode 0644 less umask.
  Status Commit();

 private:
  AtomicFile(UniqueFd fd, std::filesystem::path temporary,
             std::filesystem::path final_path);
  UniqueFd fd_;
  std::filesystem::path temporary_;  // empty: there is none (any more)
  std::filesystem::path final_path_;
};

// Calls `hint(offset, length)` for portions of a range: of what it is told to
// fetch by one call, Linux fetches as much as it reads ahead, or as the disk
// takes in one request, and forgets the rest.
template <typename Hint>
void InPortions(uint64_t offset, uint64_t length, Hint&& hint) {
  constexpr uint64_t kPortion = 128 << 10;  // what it reads ahead by default
  for (uint64_t end = offset + length; offset < end; offset += kPortion) {
    hint(offset, std::min(kPortion, end - offset));
  }
}

// The contents of a file, mapped read-only and shared. The file must not be
// cut while mapped; ours never are (they are replaced by rename). Nothing is
// read ahead: who knows what is needed next says so by WillNeed().
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::filesystem::path& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, {})), stat_(other.stat_) {}
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return data_; }
  const struct stat& stat() const { return stat_; }
  // A hint that these bytes are wanted soon. What is beyond the end is left
  // out.
  void WillNeed(size_t offset, size_t length) const;

 private:
  std::span<const std::byte> data_;
  struct stat stat_ = {};
};

// A file to flock(2), made if missing. One that may only be read (another
// user's, or on a file system that is read-only) is opened for that: a lock
// needs no more, but on NFS an exclusive one.
Result<UniqueFd> OpenLockFile(const std::filesystem::path& path);

// An exclusive flock(2) on a lock file, made if missing; blocks until it is
// held, and ends with the object or the process. Lock files stay.
class FileLock {
 public:
  static Result<FileLock> Acquire(const std::filesystem::path& path);
  // Does not wait: nullopt while somebody else has it.
  static Result<std::optional<FileLock>> TryAcquire(
      const std::filesystem::path& path);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// mkdir -p; new folders get mode 0755 less umask.
Status MakeDirectories(const std::filesystem::path& path);

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_FILE_H_
