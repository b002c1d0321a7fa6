// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/blob_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "meta/base/file.h"
#include "meta/base/regular_file.h"

namespace imgmount {
namespace {

class BlobFile : public BlobSource {
 public:
  BlobFile(UniqueFd fd, uint64_t size, std::string name)
      : fd_(std::move(fd)), size_(size), name_(std::move(name)) {}

  uint64_t size() const override { return size_; }
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) override {
    if (offset >= size_) return 0;
    auto read = ReadAt(fd_.get(), out, offset);
    if (!read) return Failure(std::move(read).error().In(name_));
    return read;
  }
  void WillNeed(uint64_t offset, uint64_t length) override {
    if (offset >= size_) return;
    length = std::min(length, size_ - offset);
    // A hint: whether it is taken does not matter.
    InPortions(offset, length, [&](uint64_t at, uint64_t portion) {
      ::posix_fadvise(fd_.get(), static_cast<off_t>(at),
                      static_cast<off_t>(portion), POSIX_FADV_WILLNEED);
    });
  }

 private:
  UniqueFd fd_;
  uint64_t size_;
  std::string name_;
};

}  // namespace

Result<std::unique_ptr<BlobSource>> OpenBlobFile(
    const std::filesystem::path& path) {
  IMGMOUNT_TRY(UniqueFd fd, OpenRegularFile(path));
  struct stat stat;
  if (::fstat(fd.get(), &stat) != 0) return FailErrno(path.string(), errno);
  return std::make_unique<BlobFile>(
      std::move(fd), static_cast<uint64_t>(stat.st_size), path.string());
}

}  // namespace imgmount
