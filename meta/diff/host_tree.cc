// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/host_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <deque>
#include <string>
#include <utility>

#include "meta/base/file.h"

namespace imgmount {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

// Xattrs of the running system or of a mount of ours, never of an image.
bool IsForeign(std::string_view xattr) {
  return xattr == "security.selinux" || xattr.starts_with("user.imgmount.");
}

class HostTree : public DiffTree {
 public:
  HostTree(std::filesystem::path folder, UniqueFd root)
      : folder_(std::move(folder)), root_(std::move(root)) {
    nodes_.push_back({"", kRootIno});
  }

  Result<Inode> Get(Ino ino) override {
    IMGMOUNT_TRY(const UniqueFd fd, OpenNode(ino, O_PATH | O_NOFOLLOW));
    struct stat st;
    if (::fstat(fd.get(), &st) != 0) return FailErrno(Path(ino), errno);
    Inode inode;
    inode.ino = ino;
    inode.mode = st.st_mode;
    inode.uid = st.st_uid;
    inode.gid = st.st_gid;
    inode.nlink = static_cast<uint32_t>(st.st_nlink);
    inode.size = S_ISREG(st.st_mode) ? static_cast<uint64_t>(st.st_size) : 0;
    inode.mtime = {st.st_mtim.tv_sec,
                   static_cast<uint32_t>(st.st_mtim.tv_nsec)};
    inode.device_major = major(st.st_rdev);
    inode.device_minor = minor(st.st_rdev);
    inode.has_xattrs = true;  // unless Xattrs() finds none
    inode.parent = node(ino).parent;
    return inode;
  }

  Result<std::vector<DirEntry>> Children(Ino directory) override {
    IMGMOUNT_TRY(UniqueFd fd,
                 OpenNode(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    const std::unique_ptr<DIR, CloseDir> dir(::fdopendir(::dup(fd.get())));
    if (dir == nullptr) return FailErrno(Path(directory), errno);
    std::vector<DirEntry> children;
    for (;;) {
      errno = 0;
      const struct dirent* entry = ::readdir(dir.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      uint32_t type = DTTOIF(entry->d_type);
      if (entry->d_type == DT_UNKNOWN) {
        struct stat st;
        if (::fstatat(fd.get(), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
          return FailErrno(Path(directory) + '/' + entry->d_name, errno);
        }
        type = st.st_mode & S_IFMT;
      }
      nodes_.push_back({std::string(name), directory});
      children.push_back({nodes_.back().name, Ino(nodes_.size()), type});
    }
    if (errno != 0) return FailErrno(Path(directory), errno);
    std::sort(
        children.begin(), children.end(),
        [](const DirEntry& a, const DirEntry& b) { return a.name < b.name; });
    return children;
  }

  Result<std::string> SymlinkTarget(Ino ino) override {
    IMGMOUNT_TRY(const UniqueFd fd, OpenNode(ino, O_PATH | O_NOFOLLOW));
    std::string target(PATH_MAX, '\0');
    const ssize_t length =
        ::readlinkat(fd.get(), "", target.data(), target.size());
    if (length < 0) return FailErrno(Path(ino), errno);
    target.resize(static_cast<size_t>(length));
    return target;
  }

  Result<std::vector<Xattr>> Xattrs(Ino ino) override {
    IMGMOUNT_TRY(const UniqueFd fd, OpenNode(ino, O_PATH | O_NOFOLLOW));
    // The xattr calls take no O_PATH descriptor, but they take its name.
    const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
    std::string names(XATTR_LIST_MAX, '\0');
    const ssize_t length =
        ::listxattr(path.c_str(), names.data(), names.size());
    if (length < 0) {
      if (errno == ENOTSUP || errno == ENOSYS) return std::vector<Xattr>();
      return FailErrno(Path(ino), errno);
    }
    names.resize(static_cast<size_t>(length));
    std::vector<Xattr> xattrs;
    for (size_t at = 0; at < names.size();) {
      const std::string name = names.c_str() + at;
      at += name.size() + 1;
      if (IsForeign(name)) continue;
      std::string value(XATTR_SIZE_MAX, '\0');
      const ssize_t size =
          ::getxattr(path.c_str(), name.c_str(), value.data(), value.size());
      if (size < 0) return FailErrno(Path(ino), errno);
      value.resize(static_cast<size_t>(size));
      xattrs.push_back({name, std::move(value)});
    }
    std::sort(xattrs.begin(), xattrs.end());
    return xattrs;
  }

  Result<ContentSource> Source(Ino) override { return ContentSource(); }

  Result<size_t> Read(Ino ino, uint64_t offset,
                      std::span<std::byte> out) override {
    if (open_ino_ != ino) {
      IMGMOUNT_TRY(open_file_, OpenNode(ino, O_RDONLY | O_NOFOLLOW));
      open_ino_ = ino;
    }
    return ReadAt(open_file_.get(), out, offset);
  }

 private:
  struct Node {
    std::string name;
    Ino parent;
  };

  const Node& node(Ino ino) const { return nodes_[ino.number() - 1]; }

  std::string Path(Ino ino) const {
    std::string path;
    for (; ino != kRootIno; ino = node(ino).parent) {
      path.insert(0, '/' + node(ino).name);
    }
    return folder_.string() + path;
  }

  // Opens by names from the root down, in pieces that the kernel takes.
  Result<UniqueFd> OpenNode(Ino ino, int flags) const {
    std::vector<std::string_view> names;
    for (Ino at = ino; at != kRootIno; at = node(at).parent) {
      names.push_back(node(at).name);
    }
    UniqueFd folder;
    std::string piece = ".";
    while (!names.empty()) {
      if (piece.size() + 1 + names.back().size() >= PATH_MAX) {
        IMGMOUNT_TRY(folder, OpenAt(folder, piece, O_PATH | O_DIRECTORY, ino));
        piece = ".";
      }
      piece.append(1, '/').append(names.back());
      names.pop_back();
    }
    return OpenAt(folder, piece, flags, ino);
  }

  Result<UniqueFd> OpenAt(const UniqueFd& folder, const std::string& piece,
                          int flags, Ino ino) const {
    const int at = folder ? folder.get() : root_.get();
    UniqueFd fd(::openat(at, piece.c_str(), flags | O_CLOEXEC));
    if (!fd) return FailErrno(Path(ino), errno);
    return fd;
  }

  const std::filesystem::path folder_;
  const UniqueFd root_;
  std::deque<Node> nodes_;  // a deque: names stay where they are
  UniqueFd open_file_;
  Ino open_ino_;
};

}  // namespace

Result<std::unique_ptr<DiffTree>> OpenHostTree(
    const std::filesystem::path& folder) {
  IMGMOUNT_TRY(UniqueFd root, OpenFile(folder, O_PATH));
  struct stat st;
  if (::fstat(root.get(), &st) != 0) return FailErrno(folder.string(), errno);
  if (!S_ISDIR(st.st_mode)) {
    return Fail(ErrorCode::kUsage, folder.string() + " is no directory");
  }
  return std::make_unique<HostTree>(folder, std::move(root));
}

}  // namespace imgmount
