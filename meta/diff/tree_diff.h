// SPDX-License-Identifier: Apache-2.0
// Lists the changes from one tree to another, path by path, and their kinds.
//
// Every path that is on one side only is listed, also below a directory that
// is new or gone. A path that is on both is changed when anything differs that
// a mount would show: a directory that no layer lists is compared by what the
// union rules give it (0755, 0:0, mtime 0). Contents decide, not sizes or
// times; bytes are read only where nothing cheaper tells.
#ifndef IMGMOUNT_META_DIFF_TREE_DIFF_H_
#define IMGMOUNT_META_DIFF_TREE_DIFF_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/diff/diff_tree.h"
#include "meta/diff/path_filter.h"

namespace imgmount {

// In which respects a path changed; a set of these.
using WhatSet = uint16_t;
enum What : WhatSet {
  kWhatContent = 1 << 0,
  kWhatMode = 1 << 1,   // permission bits; a symlink's mean nothing
  kWhatOwner = 1 << 2,  // user or group
  kWhatMtime = 1 << 3,
  kWhatXattr = 1 << 4,
  kWhatType = 1 << 5,    // also: another device behind a device file
  kWhatTarget = 1 << 6,  // of a symlink
};

// "content", "mode", … in the order above.
std::vector<std::string_view> WhatNames(WhatSet what);
// The respect of that name; nullopt where there is none.
std::optional<What> WhatNamed(std::string_view name);

enum class ChangeKind : char { kAdded = 'A', kChanged = 'C', kDeleted = 'D' };

struct Change {
  std::string_view name;   // lives as long as the tree it is from
  uint32_t directory = 0;  // index into ChangeList::directories
  ChangeKind kind = ChangeKind::kChanged;
  WhatSet what = 0;  // of a changed path
  Ino a;             // number 0 where it was added
  Ino b;             // number 0 where it was deleted
};

// Changes sorted by path, bytewise. Paths are put together when asked for, so
// that deep trees cost no more than others. Lives no longer than both trees.
struct ChangeList {
  struct Directory {
    std::string_view name;
    uint32_t parent;
  };
  std::vector<Directory> directories;  // [0] is the root
  std::vector<Change> changes;

  std::string Path(const Change& change) const;         // "/etc/passwd", "/"
  std::string DirectoryPath(uint32_t directory) const;  // "/etc", ""
};

struct DiffOptions {
  WhatSet ignore = 0;  // differences that do not count, nor are looked for
  PathFilter exclude;
};

Result<ChangeList> DiffTrees(DiffTree& a, DiffTree& b,
                             const DiffOptions& options = {});

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_TREE_DIFF_H_
