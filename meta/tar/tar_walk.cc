// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/tar_walk.h"

#include <map>
#include <string>
#include <utility>

#include "meta/tar/entry_path.h"
#include "meta/tar/index_builder.h"
#include "meta/tar/scoped_charset.h"
#include "meta/tar/tar_header.h"
#include "meta/tar/tar_stream.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr std::string_view kXattrKey = "SCHILY.xattr.";

Failure Corrupt(std::string what) {
  return Fail(ErrorCode::kCorrupt, std::move(what));
}

std::string_view View(const char* text) {
  return text == nullptr ? std::string_view() : text;
}

// One tar's walk; makes LayerEntries out of libarchive's entries.
class Walk {
 public:
  explicit Walk(const NextPiece& next) : stream_(next) {}

  Result<LayerIndex> Run(const std::function<uint64_t()>& index_limit);

 private:
  Status AddEntry(archive_entry* entry);
  Result<EntryType> Type(const TarHeader& header, std::string_view name) const;
  Status SetOwnerAndTime(archive_entry* from, const TarHeader& header,
                         LayerEntry& to) const;
  void SetXattrs(archive_entry* from, const TarHeader& header,
                 LayerEntry& to) const;
  Status SetContent(archive_entry* from, const TarHeader& header,
                    LayerEntry& to);
  Status SetSparseContent(archive_entry* from, const TarHeader& header,
                          LayerEntry& to);
  void SetLink(archive_entry* from, const TarHeader& header,
               LayerEntry& to) const;

  TarStream stream_;
  IndexBuilder index_;
};

Result<LayerIndex> Walk::Run(const std::function<uint64_t()>& index_limit) {
  while (true) {
    IMGMOUNT_TRY(archive_entry * entry, stream_.Next());
    if (entry == nullptr) return index_.Take();
    IMGMOUNT_CHECK(AddEntry(entry));
    if (index_.memory_bytes() > index_limit()) {
      return Fail(ErrorCode::kUnsupported,
                  "its entries take far more memory than a layer of this size "
                  "can need");
    }
  }
}

Status Walk::AddEntry(archive_entry* entry) {
  std::string_view name = View(archive_entry_pathname(entry));
  const auto parsed = ParseTarHeader(stream_.raw_header());
  if (!parsed) return Failure(parsed.error().In("entry " + Quoted(name)));
  const TarHeader& header = *parsed;
  if (const auto path = header.Pax("path")) name = *path;
  if (const auto path = header.Pax("GNU.sparse.name")) name = *path;
  if (header.long_name) name = *header.long_name;
  const auto status = [&]() -> Status {
    LayerEntry to;
    IMGMOUNT_TRY(to.path, NormalizeEntryPath(name));
    IMGMOUNT_TRY(to.type, Type(header, name));
    IMGMOUNT_CHECK(SetContent(entry, header, to));
    IMGMOUNT_TRY(const bool is_marker, index_.AddMarker(to.path));
    if (is_marker) return {};
    to.mode = archive_entry_mode(entry) & 07777;
    IMGMOUNT_CHECK(SetOwnerAndTime(entry, header, to));
    SetXattrs(entry, header, to);
    SetLink(entry, header, to);
    return index_.Add(std::move(to));
  }();
  if (!status) return Failure(status.error().In("entry " + Quoted(name)));
  return {};
}

Result<EntryType> Walk::Type(const TarHeader& header,
                             std::string_view name) const {
  const bool has_slash = name.ends_with('/');
  switch (header.type) {
    case '\0':  // before POSIX, a slash was how directories were told
      return has_slash ? EntryType::kDirectory : EntryType::kRegular;
    case '0':
    case '7':
    case 'S':
      // Some readers see a directory here, and look for its data elsewhere.
      if (has_slash && header.size > 0) {
        return Corrupt("a file whose name ends in a slash");
      }
      return EntryType::kRegular;
    case '1':
      return EntryType::kHardLink;
    case '2':
      return EntryType::kSymlink;
    case '3':
      return EntryType::kCharDevice;
    case '4':
      return EntryType::kBlockDevice;
    case '5':
      return EntryType::kDirectory;
    case '6':
      return EntryType::kFifo;
    default:  // Docker and containerd refuse these as well
      return Fail(
          ErrorCode::kUnsupported,
          "unknown entry type " + Quoted(std::string_view(&header.type, 1)));
  }
}

Status Walk::SetOwnerAndTime(archive_entry* from, const TarHeader& header,
                             LayerEntry& to) const {
  const auto id = [&](const char* key, int64_t value) -> Result<uint32_t> {
    if (const auto text = header.Pax(key)) {
      IMGMOUNT_TRY(value, ParsePaxNumber(*text));
    }
    return CheckOwnerId(key, value);
  };
  IMGMOUNT_TRY(to.uid, id("uid", archive_entry_uid(from)));
  IMGMOUNT_TRY(to.gid, id("gid", archive_entry_gid(from)));
  to.mtime.seconds = archive_entry_mtime(from);
  if (const auto time = header.Pax("mtime")) {
    IMGMOUNT_TRY(to.mtime, ParsePaxTime(*time));
  }
  if (to.type == EntryType::kCharDevice || to.type == EntryType::kBlockDevice) {
    return SetDevice(archive_entry_rdevmajor(from),
                     archive_entry_rdevminor(from), to);
  }
  return {};
}

void Walk::SetXattrs(archive_entry* from, const TarHeader& header,
                     LayerEntry& to) const {
  if (header.pax.empty()) return;
  std::map<std::string, std::string> xattrs;
  // libarchive decodes its own records; SCHILY's are taken as they stand.
  archive_entry_xattr_reset(from);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
    xattrs.try_emplace(std::string(View(name)), static_cast<const char*>(value),
                       size);
  }
  for (const auto& [key, text] : header.pax) {
    if (key.starts_with(kXattrKey)) {
      xattrs[std::string(key.substr(kXattrKey.size()))] = text;
    }
  }
  for (auto& [key, text] : xattrs) to.xattrs.push_back({key, std::move(text)});
}

Status Walk::SetContent(archive_entry* from, const TarHeader& header,
                        LayerEntry& to) {
  stream_.set_data_end(stream_.data_offset());
  if (to.type == EntryType::kHardLink) return {};  // a body is the same file's
  if (to.type != EntryType::kRegular) {
    if (const auto size = header.Pax("size"); size && header.size > 0) {
      return Corrupt("data where its type has none");
    }
    return {};
  }
  if (header.HasPaxPrefix("SUN.holesdata")) {
    return Fail(ErrorCode::kUnsupported, "a sparse file in Solaris' format");
  }
  if (header.type == 'S' || header.HasPaxPrefix("GNU.sparse.")) {
    return SetSparseContent(from, header, to);
  }
  stream_.set_data_end(stream_.data_offset() + header.size);
  to.size = header.size;
  if (to.size > 0) to.extents = {{0, to.size, stream_.data_offset()}};
  return {};
}

Status Walk::SetSparseContent(archive_entry* from, const TarHeader& header,
                              LayerEntry& to) {
  if (const auto major = header.Pax("GNU.sparse.major")) {
    const auto minor = header.Pax("GNU.sparse.minor");
    if ((*major != "0" && *major != "1") || !minor ||
        (*minor != "0" && (*minor != "1" || *major != "0"))) {
      return Fail(ErrorCode::kUnsupported, "a sparse file of unknown format");
    }
  }
  if (archive_entry_size(from) < 0) return Corrupt("a negative size");
  to.size = static_cast<uint64_t>(archive_entry_size(from));
  // In format 1.0 the map stands before the data, and counts as data.
  uint64_t stored = header.size;
  if (header.Pax("GNU.sparse.major") == "1") {
    const uint64_t map =
        stream_.data_offset() - stream_.header_offset() - header.end;
    if (map > stored) return Corrupt("a sparse map larger than its file");
    stored -= map;
  }
  uint64_t physical = stream_.data_offset();
  const uint64_t end = physical + stored;
  stream_.set_data_end(end);
  const auto add = [&](uint64_t offset, uint64_t length) {
    if (length == 0) return true;
    if (length > end - physical || offset > to.size ||
        length > to.size - offset ||
        (!to.extents.empty() &&
         offset < to.extents.back().logical + to.extents.back().length)) {
      return false;
    }
    to.extents.push_back({offset, length, physical});
    physical += length;
    return true;
  };
  bool fits = true;
  // No list: one block that is the whole file.
  if (archive_entry_sparse_reset(from) == 0) fits = add(0, stored);
  la_int64_t offset = 0;
  la_int64_t length = 0;
  while (fits &&
         archive_entry_sparse_next(from, &offset, &length) == ARCHIVE_OK) {
    fits = offset >= 0 && length >= 0 &&
           add(static_cast<uint64_t>(offset), static_cast<uint64_t>(length));
  }
  if (!fits || physical != end) {
    return Corrupt("a sparse map that does not fit its file");
  }
  return {};
}

void Walk::SetLink(archive_entry* from, const TarHeader& header,
                   LayerEntry& to) const {
  if (to.type == EntryType::kSymlink) {
    to.link_target = View(archive_entry_symlink(from));
  } else if (to.type == EntryType::kHardLink) {
    to.link_target = View(archive_entry_hardlink(from));
  } else {
    return;
  }
  if (const auto path = header.Pax("linkpath")) to.link_target = *path;
  if (header.long_link) to.link_target = *header.long_link;
}

}  // namespace

Result<LayerIndex> WalkTar(const NextPiece& next,
                           const std::function<uint64_t()>& index_limit) {
  // In another, libarchive would convert names, in UTF-8 from NFD to NFC.
  const ScopedCharset charset("C");
  return Walk(next).Run(index_limit);
}

}  // namespace imgmount
