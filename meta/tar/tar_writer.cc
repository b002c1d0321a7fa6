// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "meta/tar/scoped_charset.h"

namespace imgmount {
namespace {

constexpr int kBytesPerWrite = 1 << 20;
constexpr uint64_t kBlock = 512;

struct FreeEntry {
  void operator()(struct archive_entry* entry) const {
    archive_entry_free(entry);
  }
};

unsigned FileType(EntryType type) {
  switch (type) {
    case EntryType::kDirectory:
      return AE_IFDIR;
    case EntryType::kSymlink:
      return AE_IFLNK;
    case EntryType::kCharDevice:
      return AE_IFCHR;
    case EntryType::kBlockDevice:
      return AE_IFBLK;
    case EntryType::kFifo:
      return AE_IFIFO;
    default:
      return AE_IFREG;
  }
}

// libarchive writes seconds and nanoseconds side by side: -2 s and 0.5 s as
// "-2.5", which is half a second before that. So it gets them with one sign.
// (It has none for what is between -1 s and 0, which becomes -1 s.)
void SetTime(archive_entry* to, Timestamp time) {
  if (time.seconds >= 0 || time.nanoseconds == 0) {
    archive_entry_set_mtime(to, time.seconds, time.nanoseconds);
  } else if (time.seconds == -1) {
    archive_entry_set_mtime(to, -1, 0);
  } else {
    archive_entry_set_mtime(to, time.seconds + 1,
                            1'000'000'000 - time.nanoseconds);
  }
}

// In whole blocks: GNU tar begins each run of data with a block of its own,
// others do not, so only such runs are read alike by all.
void SetHoles(archive_entry* to, const LayerEntry& from) {
  uint64_t covered = 0;  // up to here
  const auto add = [&](uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    archive_entry_sparse_add_entry(to, static_cast<la_int64_t>(begin),
                                   static_cast<la_int64_t>(end - begin));
  };
  uint64_t begin = 0;
  for (const Extent& extent : from.extents) {
    const uint64_t start = extent.logical / kBlock * kBlock;
    const uint64_t stop =
        std::min(from.size, (extent.logical + extent.length + kBlock - 1) /
                                kBlock * kBlock);
    if (start > covered) {
      add(begin, covered);
      begin = start;
    }
    covered = std::max(covered, stop);
  }
  if (begin == 0 && covered == from.size) return;  // no holes
  add(begin, covered);
  if (covered == 0) {
    archive_entry_sparse_add_entry(to, static_cast<la_int64_t>(from.size), 0);
  }
}

}  // namespace

void TarWriter::FreeWriter::operator()(struct archive* writer) const {
  archive_write_free(writer);
}

Result<TarWriter> TarWriter::Open(int fd) {
  TarWriter tar(archive_write_new());
  struct archive* const writer = tar.writer_.get();
  archive_write_set_format_pax(writer);
  // libarchive knows two ways; this is the one that all others read.
  if (archive_write_set_options(writer, "pax:xattrheader=SCHILY") !=
      ARCHIVE_OK) {
    return tar.Failed();
  }
  archive_write_set_bytes_per_block(writer, kBytesPerWrite);
  archive_write_set_bytes_in_last_block(writer, 1);
  if (archive_write_open_fd(writer, fd) != ARCHIVE_OK) return tar.Failed();
  return tar;
}

Status TarWriter::Add(const LayerEntry& entry) {
  if (entry.type == EntryType::kSocket) {
    return Fail(ErrorCode::kUnsupported,
                entry.path + ": a tar holds no sockets");
  }
  const std::unique_ptr<struct archive_entry, FreeEntry> out(
      archive_entry_new());
  archive_entry* const to = out.get();
  archive_entry_copy_pathname(to, entry.path.c_str());
  archive_entry_set_filetype(to, FileType(entry.type));
  archive_entry_set_perm(to, entry.mode);
  archive_entry_set_uid(to, entry.uid);
  archive_entry_set_gid(to, entry.gid);
  SetTime(to, entry.mtime);
  if (entry.type == EntryType::kHardLink) {
    archive_entry_copy_hardlink(to, entry.link_target.c_str());
  } else {
    archive_entry_set_size(to, 0);
  }
  if (entry.type == EntryType::kSymlink) {
    archive_entry_copy_symlink(to, entry.link_target.c_str());
  }
  if (entry.type == EntryType::kCharDevice ||
      entry.type == EntryType::kBlockDevice) {
    archive_entry_set_rdevmajor(to, entry.device_major);
    archive_entry_set_rdevminor(to, entry.device_minor);
  }
  if (entry.type == EntryType::kRegular) {
    archive_entry_set_size(to, static_cast<la_int64_t>(entry.size));
    SetHoles(to, entry);
  }
  for (const Xattr& xattr : entry.xattrs) {
    archive_entry_xattr_add_entry(to, xattr.name.c_str(), xattr.value.data(),
                                  xattr.value.size());
  }
  // It would write names in UTF-8, and warns of those that are none: their
  // bytes are then written as they are, as are those of the others.
  const ScopedCharset charset("C.UTF-8");
  if (archive_write_header(writer_.get(), to) < ARCHIVE_WARN) return Failed();
  return {};
}

Status TarWriter::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const la_ssize_t n =
        archive_write_data(writer_.get(), bytes.data(), bytes.size());
    if (n <= 0) return Failed();
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status TarWriter::Close() {
  if (archive_write_close(writer_.get()) != ARCHIVE_OK) return Failed();
  return {};
}

Failure TarWriter::Failed() const {
  const int error = archive_errno(writer_.get());
  return FailErrno("writing the archive", error > 0 ? error : EIO);
}

}  // namespace imgmount
