// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/index_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <limits>

#include "meta/tar/entry_path.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kAufsPrefix = ".wh..wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";
constexpr uint64_t kHiddenBytes = 512;       // about what one kept entry takes
constexpr size_t kMaxXattrName = 255;        // XATTR_NAME_MAX
constexpr size_t kMaxXattrValue = 64 << 10;  // XATTR_SIZE_MAX
constexpr size_t kMaxTarget = 4095;          // PATH_MAX less the NUL
constexpr uint64_t kMaxMajor = (1 << 12) - 1;  // MINORBITS is 20
constexpr uint64_t kMaxMinor = (1 << 20) - 1;

// An index takes about 200 bytes per entry while it grows, and no real tar
// packs an entry into much less than 40: so much memory for any layer, and more
// for large ones.
constexpr uint64_t kMinMemory = 200 << 20;
constexpr uint64_t kMemoryPerByte = 4;

Failure Corrupt(std::string what) {
  return Fail(ErrorCode::kCorrupt, std::move(what));
}

bool HasComponent(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) ||
         path.find("/" + std::string(prefix)) != std::string_view::npos;
}

Status CheckXattrs(const LayerEntry& entry) {
  for (const Xattr& x : entry.xattrs) {
    if (x.name.empty() || x.name.size() > kMaxXattrName) {
      return Corrupt("an xattr whose name no Linux file can have");
    }
    if (x.value.size() > kMaxXattrValue) {
      return Fail(
          ErrorCode::kUnsupported,
          "an xattr of more than 64 KiB, which no Linux file can have: " +
              Quoted(x.name));
    }
  }
  return {};
}

Status CheckLink(LayerEntry& entry) {
  if (entry.link_target.empty()) return Corrupt("a link to nowhere");
  if (entry.type == EntryType::kHardLink) {
    auto path = NormalizeEntryPath(entry.link_target);
    if (!path) return Failure(std::move(path).error().In("link target"));
    entry.link_target = *std::move(path);
    return {};
  }
  if (entry.link_target.size() > kMaxTarget) {
    return Fail(ErrorCode::kUnsupported,
                "a symbolic link to more than 4095 bytes, which Linux cannot "
                "show");
  }
  return {};
}

}  // namespace

Result<bool> IndexBuilder::AddMarker(const std::string& path) {
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

Status IndexBuilder::Add(LayerEntry entry) {
  if (entry.path.empty() && entry.type != EntryType::kDirectory) {
    return Corrupt("the root of a layer must be a directory");
  }
  IMGMOUNT_CHECK(CheckXattrs(entry));
  if (entry.type == EntryType::kSymlink || entry.type == EntryType::kHardLink) {
    IMGMOUNT_CHECK(CheckLink(entry));
  }
  if (entry.type == EntryType::kSymlink) entry.mode = 0777;  // as on Linux
  return AddOrKeep(std::move(entry));
}

Status IndexBuilder::AddOrKeep(LayerEntry entry) {
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

uint64_t IndexMemoryLimit(uint64_t compressed_size) {
  return kMinMemory +
         kMemoryPerByte * std::min(compressed_size, UINT64_MAX / 8);
}

Result<uint32_t> CheckOwnerId(std::string_view what, int64_t id) {
  if (id < 0 || id > std::numeric_limits<uint32_t>::max()) {
    return Corrupt(std::string(what) + " out of range");
  }
  return static_cast<uint32_t>(id);
}

Status SetDevice(uint64_t major, uint64_t minor, LayerEntry& entry) {
  if (major > kMaxMajor || minor > kMaxMinor) {
    return Fail(
        ErrorCode::kUnsupported,
        fmt::format("the device number {}:{}, which Linux does not have", major,
                    minor));
  }
  entry.device_major = static_cast<uint32_t>(major);
  entry.device_minor = static_cast<uint32_t>(minor);
  return {};
}

}  // namespace imgmount
