// SPDX-License-Identifier: Apache-2.0
// LayerEntry: one entry of a layer's tar, as a value.
#ifndef IMGMOUNT_META_TAR_LAYER_ENTRY_H_
#define IMGMOUNT_META_TAR_LAYER_ENTRY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "meta/base/timestamp.h"

namespace imgmount {

enum class EntryType : uint8_t {
  kRegular,
  kDirectory,
  kSymlink,
  kHardLink,  // link_target is the normalised path of the file it shares
  kCharDevice,
  kBlockDevice,
  kFifo,
  kSocket,
  kWhiteout,  // path is the hidden name: "etc/motd" for "etc/.wh.motd"
  kOpaque,    // path is the directory whose lower children are hidden
};

// A run of a file's bytes: `length` bytes at `logical` in the file lie at
// `physical` in the layer's uncompressed tar. What no extent covers is zeros.
struct Extent {
  uint64_t logical = 0;
  uint64_t length = 0;
  uint64_t physical = 0;
  bool operator==(const Extent&) const = default;
};

struct Xattr {
  std::string name;   // with its namespace: "security.capability"
  std::string value;  // bytes
  bool operator==(const Xattr&) const = default;
  auto operator<=>(const Xattr&) const = default;
};

// One entry as a value; strings are copies. For building and for tests.
struct LayerEntry {
  std::string path;
  EntryType type = EntryType::kRegular;
  uint32_t mode = 0;  // permission bits with setuid, setgid, sticky: 07777
  uint32_t uid = 0;
  uint32_t gid = 0;
  Timestamp mtime;
  uint64_t size = 0;        // logical size of a regular file
  std::string link_target;  // symlink: as in the tar; hard link: normalised
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  std::vector<Xattr> xattrs;    // sorted by name, names unique
  std::vector<Extent> extents;  // ascending, disjoint; empty for size 0
  bool operator==(const LayerEntry&) const = default;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_TAR_LAYER_ENTRY_H_
