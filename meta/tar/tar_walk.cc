// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/tar_walk.h"

#include <fmt/format.h>
#include <locale.h>

#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "meta/tar/entry_path.h"
#include "meta/tar/tar_header.h"
#include "meta/tar/tar_stream.h"

namespace imgmount {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kAufsPrefix = ".wh..wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";
constexpr std::string_view kXattrKey = "SCHILY.xattr.";
constexpr uint64_t kHiddenBytes = 512;       // about what one kept entry takes
constexpr size_t kMaxXattrName = 255;        // XATTR_NAME_MAX
constexpr size_t kMaxXattrValue = 64 << 10;  // XATTR_SIZE_MAX
constexpr size_t kMaxTarget = 4095;          // PATH_MAX less the NUL
constexpr uint64_t kMaxMajor = (1 << 12) - 1;  // MINORBITS is 20
constexpr uint64_t kMaxMinor = (1 << 20) - 1;

// libarchive converts names by the locale's character set and, in UTF-8, from
// NFD to NFC; in the C locale bytes stay what they are.
class CLocale {
 public:
  CLocale()
      : locale_(::newlocale(LC_CTYPE_MASK, "C", nullptr)),
        before_(::uselocale(locale_)) {}
  ~CLocale() {
    ::uselocale(before_);
    if (locale_ != nullptr) ::freelocale(locale_);
  }
  CLocale(const CLocale&) = delete;
  CLocale& operator=(const CLocale&) = delete;

 private:
  locale_t locale_;
  locale_t before_;
};

Failure Corrupt(std::string what) {
  return Fail(ErrorCode::kCorrupt, std::move(what));
}

bool HasComponent(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) ||
         path.find("/" + std::string(prefix)) != std::string_view::npos;
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
  Result<bool> AddMarker(const std::string& path);
  Result<EntryType> Type(const TarHeader& header, std::string_view name) const;
  Status SetOwnerAndTime(archive_entry* from, const TarHeader& header,
                         LayerEntry& to) const;
  Status SetXattrs(archive_entry* from, const TarHeader& header,
                   LayerEntry& to) const;
  Status SetContent(archive_entry* from, const TarHeader& header,
                    LayerEntry& to);
  Status SetSparseContent(archive_entry* from, const TarHeader& header,
                          LayerEntry& to);
  Status SetLink(archive_entry* from, const TarHeader& header, LayerEntry& to);
  Status AddOrKeep(LayerEntry entry);

  TarStream stream_;
  LayerIndex index_;
  // AUFS kept hard-linked files in .wh..wh.plnk, and its layers link to there.
  // The directory is not shown; the first link to a file becomes the file.
  std::map<std::string, LayerEntry> hidden_files_;
  std::map<std::string, std::string> shown_as_;
  uint64_t hidden_bytes_ = 0;  // about the memory of these maps
};

Result<LayerIndex> Walk::Run(const std::function<uint64_t()>& index_limit) {
  while (true) {
    IMGMOUNT_TRY(archive_entry * entry, stream_.Next());
    if (entry == nullptr) return std::move(index_);
    IMGMOUNT_CHECK(AddEntry(entry));
    if (index_.memory_bytes() + hidden_bytes_ > index_limit()) {
      return Fail(ErrorCode::kUnsupported,
                  "its entries take far more memory than a layer of this size "
                  "can need");
    }
  }
}

Status Walk::AddEntry(archive_entry* entry) {
  std::string_view name = View(archive_entry_pathname(entry));
  const auto parsed = ParseTarHeader(stream_.raw_header());
  if (!parsed) return Failure(parsed.error().In("entry " + QuoteName(name)));
  const TarHeader& header = *parsed;
  if (const auto path = header.Pax("path")) name = *path;
  if (const auto path = header.Pax("GNU.sparse.name")) name = *path;
  if (header.long_name) name = *header.long_name;
  const auto status = [&]() -> Status {
    LayerEntry to;
    IMGMOUNT_TRY(to.path, NormalizeEntryPath(name));
    IMGMOUNT_TRY(to.type, Type(header, name));
    IMGMOUNT_CHECK(SetContent(entry, header, to));
    IMGMOUNT_TRY(const bool is_marker, AddMarker(to.path));
    if (is_marker) return {};
    if (to.path.empty() && to.type != EntryType::kDirectory) {
      return Corrupt("the root of a layer must be a directory");
    }
    to.mode = to.type == EntryType::kSymlink
                  ? 0777  // Linux knows no other
                  : archive_entry_mode(entry) & 07777;
    IMGMOUNT_CHECK(SetOwnerAndTime(entry, header, to));
    IMGMOUNT_CHECK(SetXattrs(entry, header, to));
    IMGMOUNT_CHECK(SetLink(entry, header, to));
    return AddOrKeep(std::move(to));
  }();
  if (!status) return Failure(status.error().In("entry " + QuoteName(name)));
  return {};
}

// Whiteouts are such by name, whatever their type. True if `path` is one or
// otherwise nothing to show.
Result<bool> Walk::AddMarker(const std::string& path) {
  const size_t slash = path.rfind('/') + 1;  // npos + 1 == 0
  const std::string_view directory = std::string_view(path).substr(0, slash);
  const std::string_view name = std::string_view(path).substr(slash);
  if (!HasComponent(path, kWhiteoutPrefix) ||
      HasComponent(directory, kAufsPrefix) ||
      (name.starts_with(kAufsPrefix) && name != kOpaqueName)) {
    return false;  // AddOrKeep() knows what to do with AUFS' names
  }
  if (HasComponent(directory, kWhiteoutPrefix)) {
    return Corrupt("something inside a whiteout");
  }
  LayerEntry marker;
  if (name == kOpaqueName) {
    marker.type = EntryType::kOpaque;
    marker.path = directory.substr(0, slash == 0 ? 0 : slash - 1);
  } else {
    const std::string_view hidden = name.substr(kWhiteoutPrefix.size());
    if (hidden.empty() || hidden == "." || hidden == "..") {
      return Corrupt("a whiteout of nothing that could be there");
    }
    marker.type = EntryType::kWhiteout;
    marker.path = std::string(directory).append(hidden);
  }
  IMGMOUNT_CHECK(index_.Add(marker));
  return true;
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
          "unknown entry type " + QuoteName(std::string_view(&header.type, 1)));
  }
}

Status Walk::SetOwnerAndTime(archive_entry* from, const TarHeader& header,
                             LayerEntry& to) const {
  const auto id = [&](const char* key, int64_t value) -> Result<uint32_t> {
    if (const auto text = header.Pax(key)) {
      IMGMOUNT_TRY(value, ParsePaxNumber(*text));
    }
    if (value < 0 || value > std::numeric_limits<uint32_t>::max()) {
      return Corrupt(std::string(key) + " out of range");
    }
    return static_cast<uint32_t>(value);
  };
  IMGMOUNT_TRY(to.uid, id("uid", archive_entry_uid(from)));
  IMGMOUNT_TRY(to.gid, id("gid", archive_entry_gid(from)));
  to.mtime.seconds = archive_entry_mtime(from);
  if (const auto time = header.Pax("mtime")) {
    IMGMOUNT_TRY(to.mtime, ParsePaxTime(*time));
  }
  if (to.type == EntryType::kCharDevice || to.type == EntryType::kBlockDevice) {
    const auto major = archive_entry_rdevmajor(from);
    const auto minor = archive_entry_rdevminor(from);
    if (major > kMaxMajor || minor > kMaxMinor) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("the device number {}:{}, which Linux does not "
                              "have",
                              major, minor));
    }
    to.device_major = static_cast<uint32_t>(major);
    to.device_minor = static_cast<uint32_t>(minor);
  }
  return {};
}

Status Walk::SetXattrs(archive_entry* from, const TarHeader& header,
                       LayerEntry& to) const {
  if (header.pax.empty()) return {};
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
  for (auto& [key, text] : xattrs) {
    if (key.empty() || key.size() > kMaxXattrName) {
      return Corrupt("an xattr whose name no Linux file can have");
    }
    if (text.size() > kMaxXattrValue) {
      return Fail(
          ErrorCode::kUnsupported,
          "an xattr of more than 64 KiB, which no Linux file can have: " +
              QuoteName(key));
    }
    to.xattrs.push_back({key, std::move(text)});
  }
  return {};
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
  // Of format 1.0 the map stands before the data, and counts as data.
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

Status Walk::SetLink(archive_entry* from, const TarHeader& header,
                     LayerEntry& to) {
  if (to.type != EntryType::kSymlink && to.type != EntryType::kHardLink) {
    return {};
  }
  std::string_view target =
      View(to.type == EntryType::kSymlink ? archive_entry_symlink(from)
                                          : archive_entry_hardlink(from));
  if (const auto path = header.Pax("linkpath")) target = *path;
  if (header.long_link) target = *header.long_link;
  if (target.empty()) return Corrupt("a link to nowhere");
  if (to.type == EntryType::kHardLink) {
    auto path = NormalizeEntryPath(target);
    if (!path) return Failure(std::move(path).error().In("link target"));
    to.link_target = *std::move(path);
    return {};
  }
  if (target.size() > kMaxTarget) {
    return Fail(ErrorCode::kUnsupported,
                "a symbolic link to more than 4095 bytes, which Linux cannot "
                "show");
  }
  to.link_target = target;
  return {};
}

Status Walk::AddOrKeep(LayerEntry entry) {
  if (HasComponent(entry.path, kAufsPrefix)) {
    if (entry.type == EntryType::kRegular) {
      hidden_bytes_ += kHiddenBytes + entry.path.size();
      for (const Xattr& x : entry.xattrs) {
        hidden_bytes_ += x.name.size() + x.value.size();
      }
      hidden_files_.insert_or_assign(entry.path, std::move(entry));
    }
    return {};
  }
  if (entry.type == EntryType::kHardLink &&
      HasComponent(entry.link_target, kAufsPrefix)) {
    const auto file = hidden_files_.find(entry.link_target);
    if (file == hidden_files_.end()) {
      return Corrupt("a link to an AUFS file that is not there");
    }
    const auto [shown, is_first] =
        shown_as_.try_emplace(entry.link_target, entry.path);
    if (is_first) {
      LayerEntry copy = file->second;
      copy.path = entry.path;
      return index_.Add(copy);
    }
    entry.link_target = shown->second;
  }
  return index_.Add(entry);
}

}  // namespace

Result<LayerIndex> WalkTar(const NextPiece& next,
                           const std::function<uint64_t()>& index_limit) {
  const CLocale locale;
  return Walk(next).Run(index_limit);
}

}  // namespace imgmount
