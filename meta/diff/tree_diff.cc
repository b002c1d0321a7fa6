// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/tree_diff.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <utility>

namespace imgmount {
namespace {

constexpr std::array<std::string_view, 7> kNames = {
    "content", "mode", "owner", "mtime", "xattr", "type", "target"};
constexpr Ino kNone;
constexpr size_t kCompareBytes = 256 << 10;

// Something to do in a directory: look at a name, or go into it. The root is
// the one item that has no name.
struct Item {
  std::string_view name;
  bool enter = false;
  Ino a;  // kNone: not on this side (or, to enter: no directory there)
  Ino b;
};

// Orders as the whole paths would: "a" < "a-b" < "a/b", as '-' < '/'.
bool InPathOrder(const Item& x, const Item& y) {
  const size_t common = std::min(x.name.size(), y.name.size());
  const int order = std::memcmp(x.name.data(), y.name.data(), common);
  if (order != 0) return order < 0;
  const auto next = [common](const Item& item) {
    if (common < item.name.size()) {
      return static_cast<int>(static_cast<unsigned char>(item.name[common]));
    }
    return item.enter ? static_cast<int>('/') : -1;
  };
  return next(x) < next(y);
}

struct Frame {
  uint32_t directory;
  std::vector<Item> items;
  size_t next = 0;
};

// A changed path whose contents are still to be compared.
struct PendingContent {
  size_t change;
  LayerPosition layer;
  uint64_t physical;
};

class Differ {
 public:
  Differ(DiffTree& a, DiffTree& b, const DiffOptions& options)
      : a_(a), b_(b), options_(options) {}

  Result<ChangeList> Run() {
    IMGMOUNT_CHECK(Walk());
    IMGMOUNT_CHECK(ComparePending());
    std::erase_if(list_.changes, [](const Change& change) {
      return change.kind == ChangeKind::kChanged && change.what == 0;
    });
    return std::move(list_);
  }

 private:
  Status Walk() {
    list_.directories.push_back({"", 0});
    const Item root{"", false, a_.root(), b_.root()};
    IMGMOUNT_CHECK(Compare(0, root));
    std::vector<Frame> stack;
    IMGMOUNT_CHECK(Enter(stack, 0, root));
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (frame.next == frame.items.size()) {
        stack.pop_back();
        continue;
      }
      const Item item = frame.items[frame.next++];
      if (!item.enter) {
        IMGMOUNT_CHECK(Compare(frame.directory, item));
        continue;
      }
      const auto directory = static_cast<uint32_t>(list_.directories.size());
      list_.directories.push_back({item.name, frame.directory});
      IMGMOUNT_CHECK(Enter(stack, directory, item));
    }
    return {};
  }

  // Lists a directory of one side or both, as items in path order.
  Status Enter(std::vector<Frame>& stack, uint32_t directory,
               const Item& item) {
    std::vector<DirEntry> in_a;
    std::vector<DirEntry> in_b;
    if (item.a != kNone) {
      IMGMOUNT_TRY(in_a, a_.Children(item.a));
    }
    if (item.b != kNone) {
      IMGMOUNT_TRY(in_b, b_.Children(item.b));
    }
    Frame frame{directory, {}};
    auto a = in_a.begin();
    auto b = in_b.begin();
    while (a != in_a.end() || b != in_b.end()) {
      const bool takes_a =
          b == in_b.end() || (a != in_a.end() && a->name <= b->name);
      const bool takes_b =
          a == in_a.end() || (b != in_b.end() && b->name <= a->name);
      const std::string_view name = takes_a ? a->name : b->name;
      Item compare{name, false, takes_a ? a->ino : kNone,
                   takes_b ? b->ino : kNone};
      Item enter{name, true, takes_a && a->type == S_IFDIR ? a->ino : kNone,
                 takes_b && b->type == S_IFDIR ? b->ino : kNone};
      if (takes_a) ++a;
      if (takes_b) ++b;
      if (Excluded(directory, name)) continue;
      frame.items.push_back(compare);
      if (enter.a != kNone || enter.b != kNone) frame.items.push_back(enter);
    }
    std::sort(frame.items.begin(), frame.items.end(), InPathOrder);
    if (!frame.items.empty()) stack.push_back(std::move(frame));
    return {};
  }

  bool Excluded(uint32_t directory, std::string_view name) const {
    if (options_.exclude.empty()) return false;
    const std::string text(name);
    if (options_.exclude.ExcludesName(text)) return true;
    return options_.exclude.wants_paths() &&
           options_.exclude.ExcludesPath(list_.DirectoryPath(directory) + '/' +
                                         text);
  }

  Status Compare(uint32_t directory, const Item& item) {
    Change change{item.name, directory, ChangeKind::kChanged,
                  0,         item.a,    item.b};
    if (item.a == kNone || item.b == kNone) {
      change.kind = item.a == kNone ? ChangeKind::kAdded : ChangeKind::kDeleted;
      list_.changes.push_back(change);
      return {};
    }
    bool pending = false;
    IMGMOUNT_CHECK(CompareInodes(change, pending));
    if (change.what != 0 || pending) list_.changes.push_back(change);
    return {};
  }

  bool Counts(What what) const { return (options_.ignore & what) == 0; }

  Status CompareInodes(Change& change, bool& pending) {
    IMGMOUNT_TRY(const Inode a, a_.Get(change.a));
    IMGMOUNT_TRY(const Inode b, b_.Get(change.b));
    const uint32_t type = b.mode & S_IFMT;
    const bool same_type = (a.mode & S_IFMT) == type;
    WhatSet what = 0;
    if (!same_type || ((type == S_IFCHR || type == S_IFBLK) &&
                       (a.device_major != b.device_major ||
                        a.device_minor != b.device_minor))) {
      what |= kWhatType;
    }
    if (type != S_IFLNK && (a.mode & S_IFMT) != S_IFLNK &&
        (a.mode & 07777) != (b.mode & 07777)) {
      what |= kWhatMode;
    }
    if (a.uid != b.uid || a.gid != b.gid) what |= kWhatOwner;
    if (a.mtime != b.mtime) what |= kWhatMtime;
    if (Counts(kWhatXattr) && (a.has_xattrs || b.has_xattrs)) {
      IMGMOUNT_TRY(const auto in_a, a_.Xattrs(a.ino));
      IMGMOUNT_TRY(const auto in_b, b_.Xattrs(b.ino));
      if (in_a != in_b) what |= kWhatXattr;
    }
    if (same_type && type == S_IFLNK && Counts(kWhatTarget)) {
      IMGMOUNT_TRY(const auto in_a, a_.SymlinkTarget(a.ino));
      IMGMOUNT_TRY(const auto in_b, b_.SymlinkTarget(b.ino));
      if (in_a != in_b) what |= kWhatTarget;
    }
    if (same_type && type == S_IFREG && Counts(kWhatContent)) {
      if (a.size != b.size) {
        what |= kWhatContent;
      } else if (a.size != 0) {
        IMGMOUNT_CHECK(CompareSources(change, pending));
      }
    }
    change.what = what & ~options_.ignore;
    return {};
  }

  // Equal sources: equal bytes. Otherwise they have to be read, later, in the
  // order in which they lie in the layers.
  Status CompareSources(const Change& change, bool& pending) {
    IMGMOUNT_TRY(const ContentSource a, a_.Source(change.a));
    IMGMOUNT_TRY(const ContentSource b, b_.Source(change.b));
    if (!a.stream.empty() && a.stream == b.stream && a.extents == b.extents) {
      return {};
    }
    pending = true;
    pending_.push_back({list_.changes.size(), a.layer,
                        a.extents.empty() ? 0 : a.extents.front().physical});
    return {};
  }

  Status ComparePending() {
    std::sort(pending_.begin(), pending_.end(),
              [](const PendingContent& x, const PendingContent& y) {
                return std::tie(x.layer, x.physical, x.change) <
                       std::tie(y.layer, y.physical, y.change);
              });
    std::map<std::pair<Ino, Ino>, bool> compared;  // names of one file
    for (const PendingContent& pending : pending_) {
      Change& change = list_.changes[pending.change];
      const auto [it, is_new] = compared.try_emplace({change.a, change.b});
      if (is_new) {
        auto same = SameBytes(change.a, change.b);
        if (!same) {
          return Failure(std::move(same).error().In(list_.Path(change)));
        }
        it->second = *same;
      }
      if (!it->second) change.what |= kWhatContent;
    }
    return {};
  }

  Result<bool> SameBytes(Ino a, Ino b) {
    buffer_a_.resize(kCompareBytes);
    buffer_b_.resize(kCompareBytes);
    for (uint64_t offset = 0;; offset += kCompareBytes) {
      IMGMOUNT_TRY(const size_t got_a, a_.Read(a, offset, buffer_a_));
      IMGMOUNT_TRY(const size_t got_b, b_.Read(b, offset, buffer_b_));
      if (got_a != got_b ||
          std::memcmp(buffer_a_.data(), buffer_b_.data(), got_a) != 0) {
        return false;
      }
      if (got_a < kCompareBytes) return true;
    }
  }

  DiffTree& a_;
  DiffTree& b_;
  const DiffOptions& options_;
  ChangeList list_;
  std::vector<PendingContent> pending_;
  std::vector<std::byte> buffer_a_;
  std::vector<std::byte> buffer_b_;
};

}  // namespace

std::vector<std::string_view> WhatNames(WhatSet what) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if ((what >> i & 1) != 0) names.push_back(kNames[i]);
  }
  return names;
}

std::optional<What> WhatNamed(std::string_view name) {
  const auto it = std::find(kNames.begin(), kNames.end(), name);
  if (it == kNames.end()) return std::nullopt;
  return static_cast<What>(1 << (it - kNames.begin()));
}

std::string ChangeList::DirectoryPath(uint32_t directory) const {
  std::vector<std::string_view> names;
  for (; directory != 0; directory = directories[directory].parent) {
    names.push_back(directories[directory].name);
  }
  std::string path;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    path.append(1, '/').append(*name);
  }
  return path;
}

std::string ChangeList::Path(const Change& change) const {
  return DirectoryPath(change.directory).append(1, '/').append(change.name);
}

Result<ChangeList> DiffTrees(DiffTree& a, DiffTree& b,
                             const DiffOptions& options) {
  return Differ(a, b, options).Run();
}

}  // namespace imgmount
