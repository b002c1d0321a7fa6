// SPDX-License-Identifier: Apache-2.0
#include "meta/base/regular_file.h"

#include <cerrno>
#include <span>
#include <utility>

namespace imgmount {
namespace {

Failure NotRegular(const std::filesystem::path& path) {
  return Fail(ErrorCode::kCorrupt,
              path.string() + ": not a regular file; remove it");
}

}  // namespace

Result<UniqueFd> OpenRegularFile(const std::filesystem::path& path, int flags,
                                 mode_t mode) {
  auto fd = OpenFile(path, flags | O_NONBLOCK, mode);
  if (!fd) {
    switch (fd.error().error_number()) {
      case EISDIR:
      case ELOOP:
      case ENODEV:
      case ENXIO:  // a socket
        return NotRegular(path);
      default:
        return fd;
    }
  }
  struct stat stat;
  if (::fstat(fd->get(), &stat) != 0) return FailErrno(path.string(), errno);
  if (!S_ISREG(stat.st_mode)) return NotRegular(path);
  return fd;
}

Result<std::string> ReadRegularFile(const std::filesystem::path& path,
                                    size_t limit) {
  IMGMOUNT_TRY(const UniqueFd fd, OpenRegularFile(path));
  struct stat stat;
  if (::fstat(fd.get(), &stat) != 0) return FailErrno(path.string(), errno);
  const auto size = static_cast<size_t>(stat.st_size);
  if (size > limit) {
    return Fail(ErrorCode::kCorrupt, path.string() + ": larger than " +
                                         std::to_string(limit) + " bytes");
  }
  std::string content(size, '\0');
  auto read = ReadAt(fd.get(), std::as_writable_bytes(std::span(content)), 0);
  if (!read) return Failure(std::move(read).error().In(path.string()));
  content.resize(*read);
  return content;
}

}  // namespace imgmount
