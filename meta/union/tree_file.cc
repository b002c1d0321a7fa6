// SPDX-License-Identifier: Apache-2.0
#include "meta/union/tree_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "meta/base/wire.h"
#include "meta/base/xxh3.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

Failure Corrupt(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, "damaged tree file: " + std::string(what));
}

Failure NotA(Ino ino, uint32_t type) {
  const bool directory = type == S_IFDIR;
  return Failure(Error(ErrorCode::kNotFound,
                       "inode " + std::to_string(ino.number()) + " is not a " +
                           (directory           ? "directory"
                            : (type == S_IFLNK) ? "symlink"
                                                : "regular file"),
                       directory ? ENOTDIR : EINVAL));
}

// Whether S_IFMT bits >> 12 are one of the seven types.
bool IsFileType(uint32_t type) {
  constexpr uint32_t kTypes = 1U << (S_IFREG >> 12) | 1U << (S_IFDIR >> 12) |
                              1U << (S_IFLNK >> 12) | 1U << (S_IFCHR >> 12) |
                              1U << (S_IFBLK >> 12) | 1U << (S_IFIFO >> 12) |
                              1U << (S_IFSOCK >> 12);
  return type < 16 && (kTypes >> type & 1) != 0;
}

uint64_t BlockCount(uint64_t data_bytes) {
  return data_bytes / kTreeBlockBytes + (data_bytes % kTreeBlockBytes != 0);
}

}  // namespace

TreeFile::TreeFile(std::span<const std::byte> bytes, const TreeHeader& header)
    : header_(header),
      data_(bytes.subspan(kTreeHeaderBytes, header.data_bytes)),
      table_(bytes.subspan(kTreeHeaderBytes + header.data_bytes)),
      verified_(std::make_unique<std::atomic<bool>[]>(
          BlockCount(header.data_bytes))) {}

Result<std::unique_ptr<TreeFile>> TreeFile::Open(
    MappedFile file, const std::filesystem::path& path,
    std::string_view subject) {
  file.WillNeed(0, kTreeHeaderBytes + kTreeBlockBytes);  // where the root is
  IMGMOUNT_TRY(auto tree, Open(file.bytes(), subject));
  tree->file_ = std::move(file);
  tree->path_ = path;
  return tree;
}

Result<std::unique_ptr<TreeFile>> TreeFile::Open(
    std::span<const std::byte> bytes, std::string_view subject) {
  if (bytes.size() < kTreeHeaderBytes) return Corrupt("too short");
  constexpr size_t kSummed = kTreeHeaderBytes - sizeof(uint64_t);
  const auto header = *ReadWire<TreeHeader>(bytes, 0);
  if (header.magic != kTreeMagic) return Corrupt("not a tree file");
  if (header.version != kTreeVersion) return Corrupt("another version");
  if (XXH3_64bits_withSeed(bytes.data(), kSummed, SubjectSeed(subject)) !=
      *ReadWire<uint64_t>(bytes, kSummed)) {
    return Corrupt("header checksum");
  }
  const uint64_t after_header = bytes.size() - kTreeHeaderBytes;
  if (header.data_bytes > after_header ||
      after_header - header.data_bytes !=
          BlockCount(header.data_bytes) * sizeof(uint64_t)) {
    return Corrupt("wrong size");
  }
  const auto table = bytes.subspan(kTreeHeaderBytes + header.data_bytes);
  if (XXH3_64bits(table.data(), table.size()) != header.table_checksum) {
    return Corrupt("checksum of the block checksums");
  }
  for (const TreeSection& section : header.sections) {
    if (section.offset % 8 != 0 || section.offset > header.data_bytes ||
        section.length > header.data_bytes - section.offset) {
      return Corrupt("section out of bounds");
    }
  }
  // The counts fit the sections: then a record number needs one comparison.
  const auto holds = [&](TreeSectionId id, uint64_t count, uint64_t size) {
    return count <= std::numeric_limits<uint32_t>::max() &&
           header.sections[id].length == count * size;
  };
  if (header.inode_count == 0 ||
      !holds(kInodes, header.inode_count, sizeof(InodeRecord)) ||
      !holds(kDirents, header.dirent_count, sizeof(DirentRecord)) ||
      !holds(kByName, header.dirent_count, sizeof(uint32_t))) {
    return Corrupt("counts do not fit the sections");
  }
  std::unique_ptr<TreeFile> tree(new TreeFile(bytes, header));
  FullInodeRecord root;
  if (!tree->Record(kRootIno, S_IFDIR, root)) {
    return Corrupt("root");
  }
  return tree;
}

inline const std::byte* TreeFile::Verified(TreeSectionId section,
                                           uint64_t offset,
                                           uint64_t length) const {
  const TreeSection& bounds = header_.sections[section];
  if (offset > bounds.length || length > bounds.length - offset) return nullptr;
  const uint64_t start = bounds.offset + offset;
  if (length != 0) {
    const size_t last = (start + length - 1) / kTreeBlockBytes;
    for (size_t block = start / kTreeBlockBytes; block <= last; ++block) {
      if (!verified_[block].load(std::memory_order_relaxed) &&
          !VerifyBlock(block)) {
        return nullptr;
      }
    }
  }
  return data_.data() + start;
}

bool TreeFile::VerifyBlock(size_t block) const {
  const size_t start = block * kTreeBlockBytes;
  const auto bytes =
      data_.subspan(start, std::min(kTreeBlockBytes, data_.size() - start));
  file_.WillNeed(kTreeHeaderBytes + start, bytes.size());
  if (XXH3_64bits(bytes.data(), bytes.size()) !=
      *ReadWire<uint64_t>(table_, block * sizeof(uint64_t))) {
    if (!path_.empty()) ::unlink(path_.c_str());
    return false;
  }
  verified_[block].store(true, std::memory_order_relaxed);
  return true;
}

template <typename T>
inline bool TreeFile::Load(TreeSectionId section, uint64_t i, T& out) const {
  const std::byte* bytes = Verified(section, i * sizeof(T), sizeof(T));
  if (bytes == nullptr) return false;
  std::memcpy(&out, bytes, sizeof(T));
  return true;
}

Status TreeFile::VerifyAll() const {
  for (size_t block = 0; block < BlockCount(data_.size()); ++block) {
    if (!VerifyBlock(block)) {
      return Corrupt("block " + std::to_string(block));
    }
  }
  return {};
}

inline bool TreeFile::Record(Ino ino, uint32_t type,
                             FullInodeRecord& out) const {
  const uint64_t index = ino.number() - 1;  // 0 becomes the largest
  return index < header_.inode_count &&
         Load(kInodes, index, static_cast<InodeRecord&>(out)) &&
         Load(kTraits, out.traits, static_cast<TraitsRecord&>(out)) &&
         IsFileType(out.mode >> 12) &&
         (type == 0 || (out.mode & S_IFMT) == type);
}

Failure TreeFile::NoRecord(Ino ino, uint32_t type) const {
  if (ino.number() - 1 >= header_.inode_count) {
    return Fail(ErrorCode::kNotFound,
                "no inode " + std::to_string(ino.number()));
  }
  FullInodeRecord record;
  return Record(ino, 0, record) ? NotA(ino, type) : Corrupt("inodes");
}

Result<Inode> TreeFile::Get(Ino ino) const {
  FullInodeRecord record;
  if (!Record(ino, 0, record)) return NoRecord(ino, 0);
  if (record.mtime_nanoseconds >= 1'000'000'000) return Corrupt("mtime");
  Result<Inode> result;
  Inode& inode = *result;
  inode.ino = ino;
  inode.mode = record.mode;
  inode.uid = record.uid;
  inode.gid = record.gid;
  inode.nlink = record.nlink;
  inode.mtime = {record.mtime_seconds, record.mtime_nanoseconds};
  inode.layer = record.layer;
  inode.has_xattrs = record.xattrs != 0;
  switch (record.mode & S_IFMT) {
    case S_IFDIR:
      if (record.size == 0 || record.size > header_.inode_count) {
        return Corrupt("parent of a directory");
      }
      inode.parent = Ino(record.size);
      break;
    case S_IFREG:
      // Sizes are signed for the kernel.
      if (record.size > std::numeric_limits<int64_t>::max()) {
        return Corrupt("size of a file");
      }
      inode.size = record.size;
      break;
    case S_IFLNK:
      inode.size = record.size;
      break;
    case S_IFCHR:
    case S_IFBLK:
      inode.device_major = static_cast<uint32_t>(record.data >> 32);
      inode.device_minor = static_cast<uint32_t>(record.data);
      break;
    default:
      break;
  }
  return result;
}

inline bool TreeFile::LoadEntry(const FullInodeRecord& directory,
                                uint64_t position, DirEntry& out) const {
  DirentRecord dirent;
  // No overflow: data was compared with the number of dirents.
  if (directory.data > header_.dirent_count ||
      !Load(kDirents, directory.data + position, dirent)) {
    return false;
  }
  const std::byte* name =
      Verified(kNames, dirent.name_offset, dirent.name_length);
  if (name == nullptr || dirent.name_length == 0 || dirent.ino == 0 ||
      dirent.ino > header_.inode_count || !IsFileType(dirent.type)) {
    return false;
  }
  out = {{reinterpret_cast<const char*>(name), dirent.name_length},
         Ino(dirent.ino),
         uint32_t{dirent.type} << 12};
  return true;
}

Result<Ino> TreeFile::Lookup(Ino directory, std::string_view name) const {
  FullInodeRecord record;
  if (!Record(directory, S_IFDIR, record)) return NoRecord(directory, S_IFDIR);
  uint32_t low = 0;
  uint32_t high = record.count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    uint32_t position;
    if (record.data > header_.dirent_count ||
        !Load(kByName, record.data + middle, position) ||
        position >= record.count) {
      return Corrupt("order of names");
    }
    DirEntry entry;
    if (!LoadEntry(record, position, entry)) return Corrupt("dirents");
    const int order = name.compare(entry.name);
    if (order == 0) return entry.ino;
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return Fail(ErrorCode::kNotFound, "no such file: " + Quoted(name));
}

Result<uint64_t> TreeFile::EntryCount(Ino directory) const {
  FullInodeRecord record;
  if (!Record(directory, S_IFDIR, record)) return NoRecord(directory, S_IFDIR);
  return record.count;
}

Result<DirEntry> TreeFile::Entry(Ino directory, uint64_t position) const {
  FullInodeRecord record;
  if (!Record(directory, S_IFDIR, record)) return NoRecord(directory, S_IFDIR);
  if (position >= record.count) {
    return Fail(ErrorCode::kNotFound, "past the end of a directory");
  }
  DirEntry entry;
  if (!LoadEntry(record, position, entry)) return Corrupt("dirents");
  return entry;
}

Result<std::string_view> TreeFile::SymlinkTarget(Ino ino) const {
  FullInodeRecord record;
  if (!Record(ino, S_IFLNK, record)) return NoRecord(ino, S_IFLNK);
  const std::byte* target = Verified(kTargets, record.data, record.size);
  if (target == nullptr) return Corrupt("symlink targets");
  return std::string_view(reinterpret_cast<const char*>(target), record.size);
}

Result<std::vector<Xattr>> TreeFile::Xattrs(Ino ino) const {
  FullInodeRecord record;
  if (!Record(ino, 0, record)) return NoRecord(ino, 0);
  std::vector<Xattr> xattrs;
  if (record.xattrs == 0) return xattrs;
  uint64_t offset = record.xattrs;
  const auto number = [&](uint32_t& out) {
    const std::byte* bytes = Verified(kXattrs, offset, sizeof out);
    if (bytes == nullptr) return false;
    std::memcpy(&out, bytes, sizeof out);
    offset += sizeof out;
    return true;
  };
  const auto text = [&](uint32_t length, std::string& out) {
    const std::byte* bytes = Verified(kXattrs, offset, length);
    if (bytes == nullptr) return false;
    out.assign(reinterpret_cast<const char*>(bytes), length);
    offset += length;
    return true;
  };
  uint32_t count;
  if (!number(count)) return Corrupt("xattrs");
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t name_length;
    uint32_t value_length;
    Xattr& xattr = xattrs.emplace_back();
    if (!number(name_length) || !number(value_length) ||
        !text(name_length, xattr.name) || !text(value_length, xattr.value)) {
      return Corrupt("xattrs");
    }
  }
  return xattrs;
}

Result<std::vector<Extent>> TreeFile::Extents(Ino ino) const {
  FullInodeRecord record;
  if (!Record(ino, S_IFREG, record)) return NoRecord(ino, S_IFREG);
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (record.size > kMax) return Corrupt("size of a file");
  std::vector<Extent> extents;
  const auto add = [&](const Extent& e) {
    const uint64_t start =
        extents.empty() ? 0 : extents.back().logical + extents.back().length;
    if (e.logical < start || e.logical > record.size ||
        e.length > record.size - e.logical || e.physical > kMax - e.length) {
      return false;
    }
    extents.push_back(e);
    return true;
  };
  if ((record.flags & kInodeSparse) == 0) {
    if (record.size != 0 && !add({0, record.size, record.data})) {
      return Corrupt("extents");
    }
    return extents;
  }
  const uint64_t total = header_.sections[kExtents].length;
  for (uint64_t i = 0; i < record.count; ++i) {
    ExtentRecord e;
    if (record.data > total || !Load(kExtents, record.data + i, e) ||
        !add({e.logical, e.length, e.physical})) {
      return Corrupt("extents");
    }
  }
  return extents;
}

Result<std::unique_ptr<UnionTree>> UnionTree::Open(
    const std::filesystem::path& path, std::string_view subject) {
  IMGMOUNT_TRY(MappedFile file, MappedFile::Open(path));
  auto tree = TreeFile::Open(std::move(file), path, subject);
  if (!tree) return Failure(std::move(tree).error().In(path.native()));
  return tree;
}

Result<Ino> UnionTree::Resolve(std::string_view path) const {
  Ino ino = kRootIno;
  size_t start = 0;
  while (start < path.size()) {
    const size_t end = std::min(path.find('/', start), path.size());
    if (end != start) {
      IMGMOUNT_TRY(ino, Lookup(ino, path.substr(start, end - start)));
    }
    start = end + 1;
  }
  return ino;
}

}  // namespace imgmount
