// SPDX-License-Identifier: Apache-2.0
#include "fs/view/image_fs.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <vector>

namespace imgmount {
namespace {

constexpr uint64_t kBlock = 4096;
constexpr uint64_t kStatBlock = 512;  // of st_blocks, by definition
constexpr uint64_t kDots = 2;         // "." and ".." come first in a listing

Failure FailWith(int error_number, std::string what) {
  return Failure(Error(ErrorCode::kUsage, std::move(what), error_number));
}

uint64_t InBlocks(uint64_t bytes) { return (bytes + kBlock - 1) / kBlock; }

}  // namespace

Result<struct stat> ImageFs::ToStat(const Inode& inode) const {
  struct stat st = {};
  st.st_ino = inode.ino.number();
  st.st_mode = inode.mode;
  st.st_nlink = inode.nlink;
  st.st_uid = options_.uid.value_or(inode.uid);
  st.st_gid = options_.gid.value_or(inode.gid);
  st.st_rdev = ::makedev(inode.device_major, inode.device_minor);
  st.st_size = static_cast<off_t>(inode.size);
  st.st_blksize = kBlock;
  st.st_mtim.tv_sec = inode.mtime.seconds;
  st.st_mtim.tv_nsec = inode.mtime.nanoseconds;
  st.st_atim = st.st_ctim = st.st_mtim;
  if (S_ISREG(inode.mode)) {
    // Holes take no room; programs look for them by this.
    uint64_t stored = 0;
    IMGMOUNT_TRY(const std::vector<Extent> extents, tree_.Extents(inode.ino));
    for (const Extent& extent : extents) stored += extent.length;
    st.st_blocks = static_cast<blkcnt_t>(
        InBlocks(std::min(stored, inode.size)) * (kBlock / kStatBlock));
  }
  return st;
}

Result<struct stat> ImageFs::Attributes(Ino ino) const {
  IMGMOUNT_TRY(const Inode inode, tree_.Get(ino));
  return ToStat(inode);
}

Result<struct stat> ImageFs::Lookup(Ino directory,
                                    std::string_view name) const {
  if (name == "." || name == "..") {
    IMGMOUNT_TRY(const Inode inode, tree_.Get(directory));
    // NFS asks for "." of whatever it has a handle of.
    if (name == ".") return ToStat(inode);
    if (!S_ISDIR(inode.mode)) return FailWith(ENOTDIR, "not a directory");
    return Attributes(inode.parent);
  }
  IMGMOUNT_TRY(const Ino ino, tree_.Lookup(directory, name));
  return Attributes(ino);
}

Result<std::string> ImageFs::ReadLink(Ino ino) const {
  IMGMOUNT_TRY(const std::string_view target, tree_.SymlinkTarget(ino));
  return std::string(target);
}

Status ImageFs::List(Ino directory, uint64_t offset, const Emit& emit) const {
  IMGMOUNT_TRY(const uint64_t count, tree_.EntryCount(directory));
  for (uint64_t at = offset; at < count + kDots; ++at) {
    ListedEntry entry;
    entry.next = at + 1;
    if (at < kDots) {
      IMGMOUNT_TRY(const Inode inode, tree_.Get(directory));
      entry.name = at == 0 ? "." : "..";
      entry.ino = at == 0 ? directory : inode.parent;
      entry.type = S_IFDIR;
      entry.name_only = true;
    } else {
      IMGMOUNT_TRY(const DirEntry found, tree_.Entry(directory, at - kDots));
      entry.name = found.name;
      entry.ino = found.ino;
      entry.type = found.type;
    }
    IMGMOUNT_TRY(const bool more, emit(entry));
    if (!more) break;
  }
  return {};
}

Result<FileBytes> ImageFs::Read(Ino ino, uint64_t offset, size_t length) const {
  return reader_.View(ino, offset, length);
}

Result<uint64_t> ImageFs::Seek(Ino ino, uint64_t offset, int whence) const {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    return FailWith(EINVAL, "lseek: only SEEK_DATA and SEEK_HOLE come here");
  }
  IMGMOUNT_TRY(const Inode inode, tree_.Get(ino));
  if (offset >= inode.size) return FailWith(ENXIO, "lseek: beyond the end");
  IMGMOUNT_TRY(const std::vector<Extent> extents, tree_.Extents(ino));
  uint64_t at = offset;
  for (const Extent& extent : extents) {
    if (extent.logical + extent.length <= at) continue;
    if (whence == SEEK_DATA) return std::max(at, extent.logical);
    if (extent.logical > at) return at;
    at = extent.logical + extent.length;
  }
  if (whence == SEEK_HOLE) return std::min(at, inode.size);
  return FailWith(ENXIO, "lseek: no data from there on");
}

Result<std::string> ImageFs::Xattr(Ino ino, std::string_view name) const {
  if (options_.extra_xattrs != nullptr) {
    IMGMOUNT_TRY(const Inode inode, tree_.Get(ino));
    IMGMOUNT_TRY(auto value, options_.extra_xattrs->Value(inode, name));
    if (value) return *std::move(value);
  }
  IMGMOUNT_TRY(auto xattrs, tree_.Xattrs(ino));
  for (auto& xattr : xattrs) {
    if (xattr.name == name) return std::move(xattr.value);
  }
  return FailWith(ENODATA, "no such xattr");
}

Result<std::string> ImageFs::XattrNames(Ino ino) const {
  std::string names;
  if (tree_.any_xattrs()) {
    IMGMOUNT_TRY(const auto xattrs, tree_.Xattrs(ino));
    for (const auto& xattr : xattrs) names.append(xattr.name).push_back('\0');
  }
  if (options_.extra_xattrs != nullptr) {
    IMGMOUNT_TRY(const Inode inode, tree_.Get(ino));
    IMGMOUNT_TRY(const auto extra, options_.extra_xattrs->Names(inode));
    for (const auto& name : extra) names.append(name).push_back('\0');
  }
  return names;
}

struct statvfs ImageFs::Statistics() const {
  struct statvfs st = {};
  st.f_bsize = st.f_frsize = kBlock;
  st.f_blocks = InBlocks(tree_.total_bytes());
  st.f_files = tree_.inode_count();
  st.f_namemax = NAME_MAX;
  st.f_flag = ST_RDONLY;
  return st;
}

}  // namespace imgmount
