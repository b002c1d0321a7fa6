// SPDX-License-Identifier: Apache-2.0
#include "fs/view/composed_fs.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <span>
#include <utility>

namespace imgmount {
namespace {

constexpr int kPartShift = 40;
constexpr uint64_t kBlock = 4096;
constexpr uint64_t kDots = 2;  // "." and ".." come first in a listing

uint64_t BaseOf(size_t part) { return (uint64_t{part} + 1) << kPartShift; }

Failure FailWith(int error_number, std::string what) {
  return Failure(Error(ErrorCode::kUsage, std::move(what), error_number));
}

}  // namespace

ComposedFs::ComposedFs(const OwnAttributes& own) : own_(own) {
  nodes_.push_back({kRootIno, S_IFDIR, {}, {}});
}

Ino ComposedFs::AddDirectory(Ino parent, std::string name) {
  const Ino ino(nodes_.size() + 1);
  nodes_.push_back({parent, S_IFDIR, {}, {}});
  nodes_[parent.number() - 1].children.push_back(
      {std::move(name), ino, S_IFDIR});
  return ino;
}

void ComposedFs::AddFile(Ino parent, std::string name, std::string content) {
  const Ino ino(nodes_.size() + 1);
  nodes_.push_back({parent, S_IFREG, {}, std::move(content)});
  nodes_[parent.number() - 1].children.push_back(
      {std::move(name), ino, S_IFREG});
}

void ComposedFs::AddPart(Ino parent, std::string name, Opener open) {
  const Ino ino(BaseOf(parts_.size()) + kRootIno.number());
  auto part = std::make_unique<Part>();
  part->parent = parent;
  part->open = std::move(open);
  parts_.push_back(std::move(part));
  nodes_[parent.number() - 1].children.push_back(
      {std::move(name), ino, S_IFDIR});
}

Result<std::shared_ptr<const FileSystem>> ComposedFs::OpenPart(
    Part& part) const {
  const MutexLock lock(part.mutex);
  if (!part.opened) {
    IMGMOUNT_TRY(part.opened, part.open());
  }
  return part.opened;
}

Result<ComposedFs::Place> ComposedFs::Find(Ino ino) const {
  Place place;
  const uint64_t number = ino.number() >> kPartShift;
  if (number == 0) {
    place.ino = ino;
    return place;
  }
  if (number > parts_.size()) return Fail(ErrorCode::kNotFound, "no such part");
  Part& part = *parts_[number - 1];
  IMGMOUNT_TRY(place.part, OpenPart(part));
  place.base = BaseOf(number - 1);
  place.ino = Ino(ino.number() - place.base);
  place.above = part.parent;
  return place;
}

Result<const ComposedFs::Node*> ComposedFs::FindNode(Ino ino) const {
  if (ino.number() == 0 || ino.number() > nodes_.size()) {
    return Fail(ErrorCode::kNotFound, "no such inode");
  }
  return &nodes_[ino.number() - 1];
}

Result<struct stat> ComposedFs::NodeAttributes(Ino ino) const {
  IMGMOUNT_TRY(const Node* node, FindNode(ino));
  struct stat st = {};
  st.st_ino = ino.number();
  st.st_uid = own_.uid;
  st.st_gid = own_.gid;
  st.st_blksize = kBlock;
  st.st_mtim.tv_sec = own_.mtime;
  st.st_atim = st.st_ctim = st.st_mtim;
  if (node->type == S_IFDIR) {
    st.st_mode = S_IFDIR | 0755;
    st.st_nlink =
        2 + static_cast<nlink_t>(std::count_if(
                node->children.begin(), node->children.end(),
                [](const Entry& entry) { return entry.type == S_IFDIR; }));
  } else {
    st.st_mode = S_IFREG | 0644;
    st.st_nlink = 1;
    st.st_size = static_cast<off_t>(node->content.size());
    st.st_blocks = (st.st_size + 511) / 512;
  }
  return st;
}

Result<struct stat> ComposedFs::Attributes(Ino ino) const {
  IMGMOUNT_TRY(const Place place, Find(ino));
  if (!place.part) return NodeAttributes(ino);
  IMGMOUNT_TRY(struct stat st, place.part->Attributes(place.ino));
  st.st_ino += place.base;
  return st;
}

Result<struct stat> ComposedFs::Lookup(Ino directory,
                                       std::string_view name) const {
  IMGMOUNT_TRY(const Place place, Find(directory));
  if (place.part) {
    if (name == ".." && place.ino == kRootIno) {
      return NodeAttributes(place.above);
    }
    IMGMOUNT_TRY(struct stat st, place.part->Lookup(place.ino, name));
    st.st_ino += place.base;
    return st;
  }
  IMGMOUNT_TRY(const Node* node, FindNode(directory));
  if (name == ".") return NodeAttributes(directory);
  if (node->type != S_IFDIR) return FailWith(ENOTDIR, "not a directory");
  if (name == "..") return NodeAttributes(node->parent);
  for (const Entry& entry : node->children) {
    if (entry.name == name) return Attributes(entry.ino);
  }
  return Fail(ErrorCode::kNotFound, "no such name");
}

Result<std::string> ComposedFs::ReadLink(Ino ino) const {
  IMGMOUNT_TRY(const Place place, Find(ino));
  if (place.part) return place.part->ReadLink(place.ino);
  return FailWith(EINVAL, "not a symlink");
}

Status ComposedFs::List(Ino directory, uint64_t offset,
                        const Emit& emit) const {
  IMGMOUNT_TRY(const Place place, Find(directory));
  if (place.part) {
    return place.part->List(
        place.ino, offset, [&](const ListedEntry& found) -> Result<bool> {
          ListedEntry entry = found;
          entry.ino = entry.name == ".." && place.ino == kRootIno
                          ? place.above
                          : Ino(found.ino.number() + place.base);
          return emit(entry);
        });
  }
  IMGMOUNT_TRY(const Node* node, FindNode(directory));
  if (node->type != S_IFDIR) return FailWith(ENOTDIR, "not a directory");
  for (uint64_t at = offset; at < node->children.size() + kDots; ++at) {
    ListedEntry entry;
    entry.next = at + 1;
    if (at < kDots) {
      entry.name = at == 0 ? "." : "..";
      entry.ino = at == 0 ? directory : node->parent;
      entry.type = S_IFDIR;
      entry.name_only = true;
    } else {
      const Entry& child = node->children[at - kDots];
      entry.name = child.name;
      entry.ino = child.ino;
      entry.type = child.type;
      entry.name_only = child.ino.number() >> kPartShift != 0;
    }
    IMGMOUNT_TRY(const bool more, emit(entry));
    if (!more) break;
  }
  return {};
}

std::unique_ptr<BlobWait> ComposedFs::Await(
    Ino ino, uint64_t offset, size_t length,
    const BlobSource::Arrived& arrived) const {
  const auto place = Find(ino);
  if (!place || !place->part) return nullptr;
  return place->part->Await(place->ino, offset, length, arrived);
}

Result<FileBytes> ComposedFs::Read(Ino ino, uint64_t offset,
                                   size_t length) const {
  IMGMOUNT_TRY(const Place place, Find(ino));
  if (place.part) {
    IMGMOUNT_TRY(FileBytes bytes, place.part->Read(place.ino, offset, length));
    return bytes;
  }
  IMGMOUNT_TRY(const Node* node, FindNode(ino));
  if (node->type != S_IFREG) return FailWith(EISDIR, "not a file");
  FileBytes bytes;
  bytes.file_size = node->content.size();
  const std::string_view piece =
      std::string_view(node->content)
          .substr(std::min<uint64_t>(offset, bytes.file_size), length);
  if (!piece.empty()) bytes.pieces.push_back(std::as_bytes(std::span(piece)));
  bytes.size = piece.size();
  return bytes;
}

Result<uint64_t> ComposedFs::Seek(Ino ino, uint64_t offset, int whence) const {
  IMGMOUNT_TRY(const Place place, Find(ino));
  if (place.part) return place.part->Seek(place.ino, offset, whence);
  IMGMOUNT_TRY(const Node* node, FindNode(ino));
  if (offset >= node->content.size()) {
    return FailWith(ENXIO, "lseek: beyond the end");
  }
  return whence == SEEK_DATA ? offset : node->content.size();
}

Result<std::string> ComposedFs::Xattr(Ino ino, std::string_view name) const {
  IMGMOUNT_TRY(const Place place, Find(ino));
  if (place.part) return place.part->Xattr(place.ino, name);
  return FailWith(ENODATA, "no such xattr");
}

Result<std::string> ComposedFs::XattrNames(Ino ino) const {
  IMGMOUNT_TRY(const Place place, Find(ino));
  if (place.part) return place.part->XattrNames(place.ino);
  return std::string();
}

struct statvfs ComposedFs::Statistics() const {
  if (!parts_.empty()) {
    if (const auto part = OpenPart(*parts_.front())) {
      return (*part)->Statistics();
    }
  }
  struct statvfs st = {};
  st.f_bsize = st.f_frsize = kBlock;
  st.f_files = nodes_.size();
  st.f_namemax = NAME_MAX;
  st.f_flag = ST_RDONLY;
  return st;
}

}  // namespace imgmount
