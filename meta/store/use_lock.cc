// SPDX-License-Identifier: Apache-2.0
#include "meta/store/use_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <sstream>
#include <system_error>

#include "meta/base/beneath.h"
#include "meta/base/regular_file.h"

namespace imgmount {
namespace {

constexpr std::string_view kPrefix = "use-";
constexpr size_t kMaxListBytes = (kMaxLayers + 2) * 200;

constexpr char kLocks[] = "imgmount/locks";

// "sha256:ab…" as "use-sha256-ab…".
std::string FileName(const Digest& manifest) {
  std::string name = std::string(kPrefix) + manifest.text();
  std::replace(name.begin(), name.end(), ':', '-');
  return name;
}

std::optional<Digest> ParseFileName(std::string name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.erase(0, kPrefix.size());
  if (const size_t dash = name.find('-'); dash != std::string::npos) {
    name[dash] = ':';
  }
  auto digest = Digest::Parse(name);
  if (!digest) return std::nullopt;
  return *std::move(digest);
}

// Waits, through signals, unless `operation` says not to.
Result<bool> Flock(int fd, int operation, const std::filesystem::path& path) {
  while (::flock(fd, operation) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) return FailErrno(path.string(), errno);
  }
  return true;
}

Result<UniqueFd> OpenLocked(const std::filesystem::path& path, int operation) {
  IMGMOUNT_TRY(UniqueFd fd, OpenLockFile(path));
  IMGMOUNT_CHECK(Flock(fd.get(), operation, path));
  return fd;
}

// And its time, where that may be changed.
Status WriteList(int fd, const std::string& list,
                 const std::filesystem::path& path) {
  IMGMOUNT_TRY(const std::string old_list,
               ReadRegularFile(path, kMaxListBytes));
  if (old_list.starts_with(list)) {
    (void)::futimens(fd, nullptr);
    return {};
  }
  auto written = WriteAll(fd, std::as_bytes(std::span(list)));
  if (written) return {};
  return Failure(std::move(written).error().In(path.string()));
}

}  // namespace

Result<UseLock> UseLock::Hold(const Cache& cache, const Image& image) {
  const auto folder = cache.folder() / kLocks;
  IMGMOUNT_TRY(const UniqueFd removal, OpenLocked(folder / "removal", LOCK_SH));
  const auto path = folder / FileName(image.manifest_digest);
  IMGMOUNT_TRY(UniqueFd fd, OpenLocked(path, LOCK_SH));

  // Every holder writes the same bytes, so they may do it at the same time.
  std::string list = image.manifest_digest.text() + '\n' +
                     image.manifest.config.digest.text() + '\n';
  for (const Descriptor& layer : image.manifest.layers) {
    list += layer.digest.text() + '\n';
  }
  // Last: somebody who found the image by its digest does not know it.
  if (image.index_digest) list += image.index_digest->text() + '\n';
  IMGMOUNT_CHECK(WriteList(fd.get(), list, path));
  return UseLock(std::move(fd));
}

Result<RemovalLock> RemovalLock::Acquire(const Cache& cache) {
  const auto folder = cache.folder() / kLocks;
  IMGMOUNT_TRY(UniqueFd fd, OpenLocked(folder / "removal", LOCK_EX));
  return RemovalLock(std::move(fd), cache.folder());
}

Result<std::vector<Use>> RemovalLock::Uses() const {
  std::error_code error;
  std::vector<Use> uses;
  std::filesystem::directory_iterator it(folder_ / kLocks, error);
  for (; !error && it != std::filesystem::directory_iterator();
       it.increment(error)) {
    const auto& path = it->path();
    auto manifest = ParseFileName(path.filename().string());
    if (!manifest) continue;
    IMGMOUNT_TRY(const UniqueFd fd, OpenLockFile(path));
    struct stat stat;
    if (::fstat(fd.get(), &stat) != 0) return FailErrno(path.string(), errno);
    Use use{*manifest, {}, stat.st_mtime, false};
    IMGMOUNT_TRY(const bool free, Flock(fd.get(), LOCK_EX | LOCK_NB, path));
    use.held = !free;
    IMGMOUNT_TRY(const std::string list, ReadRegularFile(path, kMaxListBytes));
    std::istringstream lines(list);
    for (std::string line; std::getline(lines, line);) {
      if (auto digest = Digest::Parse(line)) use.blobs.push_back(*digest);
    }
    uses.push_back(std::move(use));
  }
  if (error) return FailErrno(folder_.string(), error.value());
  return uses;
}

Status RemovalLock::Forget(const Use& use) const {
  return RemoveBeneath(folder_,
                       std::filesystem::path(kLocks) / FileName(use.manifest));
}

}  // namespace imgmount
