// SPDX-License-Identifier: Apache-2.0
#include "meta/store/mount_record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <system_error>
#include <thread>

#include "meta/base/regular_file.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxRecordBytes = PATH_MAX + 200;

fs::path RecordsFolder(const Cache& cache) {
  return cache.folder() / "imgmount" / "mounts";
}

// A line of the digest, one of the process and what is shown, and the path up
// to the file's end.
std::optional<MountedImage> ParseRecord(const std::string& text) {
  const size_t end = text.find('\n');
  if (end == std::string::npos) return std::nullopt;
  const size_t next_end = text.find('\n', end + 1);
  if (next_end == std::string::npos || next_end + 1 == text.size()) {
    return std::nullopt;
  }
  auto manifest = Digest::Parse(text.substr(0, end));
  if (!manifest) return std::nullopt;
  const std::string line = text.substr(end + 1, next_end - end - 1);
  const size_t blank = line.find(' ');
  if (blank == std::string::npos) return std::nullopt;
  return MountedImage{.manifest = *std::move(manifest),
                      .point = text.substr(next_end + 1),
                      .keeper = std::atoi(line.c_str()),
                      .shows = line.substr(blank + 1)};
}

struct HeldRecord {
  UniqueFd fd;
  MountedImage image;
};

// Those of processes that are gone are removed on the way.
Result<std::vector<HeldRecord>> HeldRecords(const Cache& cache) {
  std::vector<HeldRecord> held;
  std::error_code error;
  fs::directory_iterator it(RecordsFolder(cache), error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    const auto& path = it->path();
    auto fd = OpenRegularFile(path);
    if (!fd) continue;  // just unmounted
    const auto text = ReadRegularFile(path, kMaxRecordBytes);
    auto record = text ? ParseRecord(*text) : std::nullopt;
    if (::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) {
      // Without a text it is one that is just being made.
      if (record) ::unlink(path.c_str());
      continue;
    }
    if (!record) continue;
    if (struct stat stat = {}; ::fstat(fd->get(), &stat) == 0) {
      record->since = stat.st_mtime;
    }
    held.push_back({*std::move(fd), *std::move(record)});
  }
  if (error) return FailErrno(RecordsFolder(cache).string(), error.value());
  return held;
}

// Without asking the file system that is mounted there. What cannot be looked
// at may be one.
bool IsMountPoint(const std::string& path) {
  struct statx stat = {};
  if (::statx(AT_FDCWD, path.c_str(),
              AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, 0,
              &stat) != 0) {
    return errno != ENOENT;
  }
  return (stat.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) == 0 ||
         (stat.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

Result<MountRecord> MountRecord::Hold(const Cache& cache,
                                      const Digest& manifest,
                                      const fs::path& point,
                                      const std::string& shows) {
  std::string path = RecordsFolder(cache) / "XXXXXX";
  UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd) return FailErrno(path, errno);
  MountRecord record(std::move(fd), path);
  if (::flock(record.fd_.get(), LOCK_EX) != 0) return FailErrno(path, errno);
  const std::string text = fmt::format("{}\n{} {}\n{}", manifest.text(),
                                       ::getpid(), shows, point.string());
  auto written = WriteAll(record.fd_.get(), std::as_bytes(std::span(text)));
  if (!written) return Failure(std::move(written).error().In(path));
  return record;
}

MountRecord::~MountRecord() {
  if (fd_) ::unlink(path_.c_str());
}

Result<std::vector<MountedImage>> MountedImages(const Cache& cache) {
  IMGMOUNT_TRY(auto held, HeldRecords(cache));
  std::vector<MountedImage> mounted;
  for (HeldRecord& record : held) mounted.push_back(std::move(record.image));
  std::sort(mounted.begin(), mounted.end(),
            [](const auto& a, const auto& b) { return a.point < b.point; });
  return mounted;
}

Result<bool> AwaitUnmounted(const Cache& cache,
                            std::chrono::milliseconds at_most) {
  const auto give_up = std::chrono::steady_clock::now() + at_most;
  IMGMOUNT_TRY(const auto held, HeldRecords(cache));
  for (const HeldRecord& record : held) {
    if (IsMountPoint(record.image.point)) continue;
    while (::flock(record.fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  return true;
}

}  // namespace imgmount
