// SPDX-License-Identifier: Apache-2.0
#include "fs/export/tree_tar.h"

#include <sys/stat.h>

#include <unordered_map>
#include <utility>
#include <vector>

#include "meta/tar/tar_writer.h"

namespace imgmount {
namespace {

constexpr size_t kChunk = 1 << 20;
constexpr uint32_t kPermissions = 07777;

EntryType TypeOf(uint32_t mode) {
  if (S_ISDIR(mode)) return EntryType::kDirectory;
  if (S_ISLNK(mode)) return EntryType::kSymlink;
  if (S_ISCHR(mode)) return EntryType::kCharDevice;
  if (S_ISBLK(mode)) return EntryType::kBlockDevice;
  if (S_ISFIFO(mode)) return EntryType::kFifo;
  if (S_ISSOCK(mode)) return EntryType::kSocket;
  return EntryType::kRegular;
}

class TreeTar {
 public:
  TreeTar(const UnionTree& tree, TreeReader& reader, TarWriter& tar,
          const std::function<bool()>& stopped)
      : tree_(tree), reader_(reader), tar_(tar), stopped_(stopped) {}

  Status Write(Ino top, const std::string& path);

 private:
  // One entry, with its bytes.
  Status WriteOne(const Inode& inode, const std::string& path);
  Status WriteContent(const Inode& inode);

  const UnionTree& tree_;
  TreeReader& reader_;
  TarWriter& tar_;
  const std::function<bool()>& stopped_;
  // For files with several names, the one that was written.
  std::unordered_map<uint64_t, std::string> first_names_;
};

Status TreeTar::Write(Ino top, const std::string& path) {
  struct Folder {
    Ino ino;
    uint64_t next;      // of its entries
    size_t path_bytes;  // of `at`, with the slash
  };
  std::vector<Folder> open;
  std::string at = path;
  // The directory that has been written at `at` is gone into.
  const auto write = [&](Ino ino) -> Status {
    IMGMOUNT_TRY(const Inode inode, tree_.Get(ino));
    if (auto written = WriteOne(inode, at); !written) {
      return Failure(std::move(written).error().In(at));
    }
    if (!S_ISDIR(inode.mode)) return {};
    if (!at.empty()) at.push_back('/');
    open.push_back({ino, 0, at.size()});
    return {};
  };
  IMGMOUNT_CHECK(write(top));
  while (!open.empty()) {
    Folder& folder = open.back();
    IMGMOUNT_TRY(const uint64_t count, tree_.EntryCount(folder.ino));
    if (folder.next == count) {
      open.pop_back();
      continue;
    }
    IMGMOUNT_TRY(const DirEntry entry, tree_.Entry(folder.ino, folder.next++));
    at.resize(folder.path_bytes);
    at += entry.name;
    IMGMOUNT_CHECK(write(entry.ino));
  }
  return {};
}

Status TreeTar::WriteOne(const Inode& inode, const std::string& path) {
  if (stopped_()) return Fail(ErrorCode::kCancelled, "interrupted");
  LayerEntry entry;
  entry.path = path.empty() ? "./" : path;
  entry.type = TypeOf(inode.mode);
  entry.mode = inode.mode & kPermissions;
  entry.uid = inode.uid;
  entry.gid = inode.gid;
  entry.mtime = inode.mtime;
  entry.device_major = inode.device_major;
  entry.device_minor = inode.device_minor;
  if (!S_ISDIR(inode.mode) && inode.nlink > 1) {
    const auto [first, is_new] =
        first_names_.try_emplace(inode.ino.number(), path);
    if (!is_new) {
      entry.type = EntryType::kHardLink;
      entry.link_target = first->second;
      return tar_.Add(entry);
    }
  }
  if (S_ISLNK(inode.mode)) {
    IMGMOUNT_TRY(entry.link_target, tree_.SymlinkTarget(inode.ino));
  }
  if (inode.has_xattrs) {
    IMGMOUNT_TRY(entry.xattrs, tree_.Xattrs(inode.ino));
  }
  if (!S_ISREG(inode.mode)) return tar_.Add(entry);
  entry.size = inode.size;
  IMGMOUNT_TRY(entry.extents, tree_.Extents(inode.ino));
  IMGMOUNT_CHECK(tar_.Add(entry));
  return WriteContent(inode);
}

Status TreeTar::WriteContent(const Inode& inode) {
  for (uint64_t offset = 0; offset < inode.size;) {
    if (stopped_()) return Fail(ErrorCode::kCancelled, "interrupted");
    IMGMOUNT_TRY(const FileBytes bytes,
                 reader_.View(inode.ino, offset, kChunk));
    for (const auto piece : bytes.pieces) IMGMOUNT_CHECK(tar_.Write(piece));
    offset += bytes.size;
  }
  return {};
}

}  // namespace

Status WriteTreeTar(const UnionTree& tree, TreeReader& reader, Ino top,
                    const std::string& path, int fd,
                    const std::function<bool()>& stopped) {
  IMGMOUNT_TRY(TarWriter tar, TarWriter::Open(fd));
  IMGMOUNT_CHECK(TreeTar(tree, reader, tar, stopped).Write(top, path));
  return tar.Close();
}

}  // namespace imgmount
