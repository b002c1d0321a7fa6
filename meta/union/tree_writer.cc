// SPDX-License-Identifier: Apache-2.0
#include "meta/union/tree_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "meta/base/wire.h"
#include "meta/base/xxh3.h"
#include "meta/union/block_writer.h"
#include "meta/union/tree_format.h"

namespace imgmount {
namespace {

constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();

uint32_t FormatBits(EntryType type) {
  switch (type) {
    case EntryType::kRegular:
      return S_IFREG;
    case EntryType::kDirectory:
      return S_IFDIR;
    case EntryType::kSymlink:
      return S_IFLNK;
    case EntryType::kBlockDevice:
      return S_IFBLK;
    case EntryType::kFifo:
      return S_IFIFO;
    case EntryType::kSocket:
      return S_IFSOCK;
    case EntryType::kCharDevice:
    case EntryType::kWhiteout:  // shown as overlayfs keeps it
      return S_IFCHR;
    case EntryType::kHardLink:  // never what stands behind a name
    case EntryType::kOpaque:
      break;
  }
  return 0;
}

// The xattrs section: every distinct set once.
class XattrSets {
 public:
  XattrSets() { bytes_.assign(sizeof(uint32_t), '\0'); }

  // The offset of a set; 0 is the empty one.
  Result<uint32_t> Add(std::span<const Xattr> xattrs, bool opaque) {
    // One is for overlayfs as root mounts it, one for its option userxattr.
    static const Xattr kOpaque[] = {{"trusted.overlay.opaque", "y"},
                                    {"user.overlay.opaque", "y"}};
    std::vector<const Xattr*> all;
    for (const Xattr& x : xattrs) {
      if (!opaque || (x.name != kOpaque[0].name && x.name != kOpaque[1].name)) {
        all.push_back(&x);
      }
    }
    if (opaque) {
      for (const Xattr& x : kOpaque) all.push_back(&x);
      std::sort(all.begin(), all.end(),
                [](auto* a, auto* b) { return a->name < b->name; });
    }
    if (all.empty()) return 0;
    std::string set;
    AppendWire(set, static_cast<uint32_t>(all.size()));
    for (const Xattr* x : all) {
      AppendWire(set, static_cast<uint32_t>(x->name.size()));
      AppendWire(set, static_cast<uint32_t>(x->value.size()));
      set += x->name;
      set += x->value;
    }
    if (bytes_.size() + set.size() > kMax32) {
      return Fail(ErrorCode::kUnsupported, "image with 4 GiB of xattrs");
    }
    const auto offset = static_cast<uint32_t>(bytes_.size());
    const auto [it, is_new] =
        offsets_.try_emplace(XXH3_64bits(set.data(), set.size()), offset);
    if (!is_new && bytes_.compare(it->second, set.size(), set) == 0) {
      return it->second;
    }
    bytes_ += set;
    return offset;
  }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::unordered_map<uint64_t, uint32_t> offsets_;  // by hash of the set
};

// The traits section: every distinct combination once.
class TraitsTable {
 public:
  uint32_t Add(const TraitsRecord& traits) {
    // Neighbours mostly have the same.
    if (!records_.empty() && records_[last_] == traits) return last_;
    const std::string key(reinterpret_cast<const char*>(&traits),
                          sizeof traits);
    const auto [it, is_new] =
        numbers_.try_emplace(key, static_cast<uint32_t>(records_.size()));
    if (is_new) records_.push_back(traits);
    return last_ = it->second;
  }

  const std::vector<TraitsRecord>& records() const { return records_; }

 private:
  std::vector<TraitsRecord> records_;
  std::unordered_map<std::string, uint32_t> numbers_;
  uint32_t last_ = 0;
};

class TreeWriter {
 public:
  explicit TreeWriter(const LayerStack& stack)
      : stack_(stack), nodes_(stack.nodes()) {}

  Status Write(const std::filesystem::path& path, std::string_view subject) {
    SortChildren();
    Number();
    IMGMOUNT_TRY(BlockWriter out, BlockWriter::Create(path));
    IMGMOUNT_CHECK(WriteInodes(out));
    IMGMOUNT_CHECK(WriteNames(out));
    WriteRest(out);
    return out.Finish(header_, subject);
  }

 private:
  bool IsDirectory(NodeId id) const {
    return nodes_[id].kind == NodeKind::kDirectory;
  }
  std::span<NodeId> Children(NodeId id) {
    return std::span(children_).subspan(
        first_child_[id], first_child_[id + 1] - first_child_[id]);
  }
  uint32_t& InoOf(NodeId id) {
    const Node& node = nodes_[id];
    return IsDirectory(id) ? directory_ino_[id]
                           : entry_ino_[node.layer][node.entry];
  }
  uint32_t FormatBitsOf(NodeId id) const {
    return IsDirectory(id) ? uint32_t{S_IFDIR}
                           : FormatBits(stack_.entry(nodes_[id]).type);
  }

  void SortChildren();
  void Number();
  Status WriteInodes(BlockWriter& out);
  Result<FullInodeRecord> MakeRecord(NodeId id);
  Status WriteNames(BlockWriter& out);
  void WriteRest(BlockWriter& out);

  const LayerStack& stack_;
  const std::vector<Node>& nodes_;
  TreeHeader header_ = {};

  // The visible children of node i: children_[first_child_[i] …
  // first_child_[i + 1]).
  std::vector<uint32_t> first_child_;
  std::vector<NodeId> children_;

  std::vector<NodeId> directories_;  // as a depth-first walk meets them
  std::vector<uint32_t> directory_ino_;
  std::vector<std::vector<uint32_t>> entry_ino_;  // by layer and entry; 0: none
  std::vector<NodeId> node_of_;                   // of inode i + 1, any name
  std::vector<uint32_t> nlink_;                   // of inode i + 1
  XattrSets xattrs_;
  TraitsTable traits_;
};

// Groups the visible nodes by parent and sorts them in the order of their
// data. The order of entries in a tar is the order of their data; a directory
// counts as the first of what lies in it, wherever its own entry is.
void TreeWriter::SortChildren() {
  const size_t count = nodes_.size();
  std::vector<bool> visible(count, false);
  std::vector<uint64_t> key(count, UINT64_MAX);
  first_child_.assign(count + 1, 0);
  visible[stack_.root()] = true;
  for (NodeId id = 0; id < count; ++id) {
    const Node& node = nodes_[id];
    if (id == stack_.root() || node.kind == NodeKind::kAbsent ||
        !visible[node.parent]) {
      continue;
    }
    visible[id] = true;
    ++first_child_[node.parent];
  }
  for (NodeId id = static_cast<NodeId>(count); id-- > 0;) {
    const Node& node = nodes_[id];
    if (!visible[id] || id == stack_.root()) continue;
    if (key[id] == UINT64_MAX)
      key[id] = uint64_t{node.layer} << 32 | node.entry;
    key[node.parent] = std::min(key[node.parent], key[id]);
  }

  // Counts become ends, and filling from the back makes them starts.
  std::partial_sum(first_child_.begin(), first_child_.end(),
                   first_child_.begin());
  children_.resize(first_child_[count]);
  for (NodeId id = static_cast<NodeId>(count); id-- > 0;) {
    if (!visible[id] || id == stack_.root()) continue;
    children_[--first_child_[nodes_[id].parent]] = id;
  }
  for (NodeId id = 0; id < count; ++id) {
    const auto children = Children(id);
    std::sort(children.begin(), children.end(), [&](NodeId a, NodeId b) {
      if (key[a] != key[b]) return key[a] < key[b];
      return nodes_[a].name_view() < nodes_[b].name_view();
    });
  }
}

void TreeWriter::Number() {
  directory_ino_.assign(nodes_.size(), 0);
  for (const LayerIndex* layer : stack_.layers()) {
    entry_ino_.emplace_back(layer->size(), 0);
  }
  const auto add = [&](NodeId id) {
    node_of_.push_back(id);
    nlink_.push_back(IsDirectory(id) ? 2 : 0);
    InoOf(id) = static_cast<uint32_t>(node_of_.size());
  };
  add(stack_.root());
  std::vector<NodeId> rest = {stack_.root()};
  while (!rest.empty()) {
    const NodeId directory = rest.back();
    rest.pop_back();
    directories_.push_back(directory);
    const auto children = Children(directory);
    for (const NodeId id : children) {
      if (InoOf(id) == 0) add(id);
      if (IsDirectory(id)) {
        ++nlink_[directory_ino_[directory] - 1];
      } else {
        ++nlink_[InoOf(id) - 1];
      }
    }
    for (size_t i = children.size(); i-- > 0;) {
      if (IsDirectory(children[i])) rest.push_back(children[i]);
    }
  }
  header_.inode_count = node_of_.size();
  header_.dirent_count = children_.size();
}

Result<FullInodeRecord> TreeWriter::MakeRecord(NodeId id) {
  const Node& node = nodes_[id];
  FullInodeRecord record = {};
  record.mode = FormatBitsOf(id);
  record.layer = node.layer;
  if (node.layer == kNoLayer) {
    record.mode |= 0755;
    IMGMOUNT_TRY(record.xattrs, xattrs_.Add({}, node.show_opaque));
    return record;
  }
  const EntryView entry = stack_.entry(node);
  if (entry.type != EntryType::kWhiteout) record.mode |= entry.mode;
  record.uid = entry.uid;
  record.gid = entry.gid;
  record.mtime_seconds = entry.mtime.seconds;
  record.mtime_nanoseconds = entry.mtime.nanoseconds;
  IMGMOUNT_TRY(record.xattrs, xattrs_.Add(entry.xattrs, node.show_opaque));
  switch (entry.type) {
    case EntryType::kCharDevice:
    case EntryType::kBlockDevice:
      record.data = uint64_t{entry.device_major} << 32 | entry.device_minor;
      break;
    case EntryType::kSymlink:
      record.mode = S_IFLNK | 0777;  // tars say anything; Linux knows one mode
      record.size = entry.link_target.size();
      break;
    case EntryType::kRegular:
      record.size = entry.size;
      if (entry.extents.size() == 1 && entry.extents[0].logical == 0 &&
          entry.extents[0].length == entry.size) {
        record.data = entry.extents[0].physical;
      } else if (entry.size != 0) {
        record.flags = kInodeSparse;
        record.count = static_cast<uint32_t>(entry.extents.size());
      }
      break;
    default:
      break;
  }
  return record;
}

Status TreeWriter::WriteInodes(BlockWriter& out) {
  // The first dirent of each directory, by the number of its inode.
  std::vector<uint32_t> first_dirent(node_of_.size(), 0);
  uint32_t dirents = 0;
  for (const NodeId id : directories_) {
    first_dirent[directory_ino_[id] - 1] = dirents;
    dirents += static_cast<uint32_t>(Children(id).size());
  }
  uint64_t target_bytes = 0;
  uint64_t extent_count = 0;
  out.Begin(kInodes);
  for (size_t i = 0; i < node_of_.size(); ++i) {
    const NodeId id = node_of_[i];
    IMGMOUNT_TRY(FullInodeRecord record, MakeRecord(id));
    record.nlink = nlink_[i];
    if (record.xattrs != 0) header_.flags |= kTreeAnyXattrs;
    switch (record.mode & S_IFMT) {
      case S_IFDIR:
        record.data = first_dirent[i];
        record.count = static_cast<uint32_t>(Children(id).size());
        record.size = directory_ino_[nodes_[id].parent];
        break;
      case S_IFLNK:
        record.data = target_bytes;
        target_bytes += record.size;
        break;
      case S_IFREG:
        if (record.flags & kInodeSparse) {
          record.data = extent_count;
          extent_count += record.count;
        }
        // Sparse files may claim anything: stop at the end, do not wrap.
        header_.total_bytes +=
            std::min(record.size, std::numeric_limits<uint64_t>::max() -
                                      header_.total_bytes);
        break;
      default:
        break;
    }
    record.traits = traits_.Add(record);
    out.AppendRecord(static_cast<const InodeRecord&>(record));
  }
  return {};
}

Status TreeWriter::WriteNames(BlockWriter& out) {
  out.Begin(kDirents);
  uint64_t name_bytes = 0;
  for (const NodeId directory : directories_) {
    for (const NodeId id : Children(directory)) {
      const Node& node = nodes_[id];
      if (name_bytes > kMax32) {
        return Fail(ErrorCode::kUnsupported, "image with 4 GiB of names");
      }
      out.AppendRecord(DirentRecord{
          InoOf(id), static_cast<uint32_t>(name_bytes), node.name_length,
          static_cast<uint8_t>(FormatBitsOf(id) >> 12), 0});
      name_bytes += node.name_length;
    }
  }
  out.Begin(kByName);
  std::vector<uint32_t> order;
  for (const NodeId directory : directories_) {
    const auto children = Children(directory);
    order.resize(children.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return nodes_[children[a]].name_view() < nodes_[children[b]].name_view();
    });
    for (const uint32_t position : order) out.AppendRecord(position);
  }
  out.Begin(kNames);
  for (const NodeId directory : directories_) {
    for (const NodeId id : Children(directory)) {
      out.Append(nodes_[id].name_view());
    }
  }
  return {};
}

void TreeWriter::WriteRest(BlockWriter& out) {
  out.Begin(kTargets);
  for (const NodeId id : node_of_) {
    if (nodes_[id].kind == NodeKind::kSymlink) {
      out.Append(stack_.entry(nodes_[id]).link_target);
    }
  }
  out.Begin(kExtents);
  for (const NodeId id : node_of_) {
    if (nodes_[id].kind != NodeKind::kOther) continue;
    const EntryView entry = stack_.entry(nodes_[id]);
    // As MakeRecord() decided.
    if (entry.type != EntryType::kRegular || entry.size == 0 ||
        (entry.extents.size() == 1 && entry.extents[0].logical == 0 &&
         entry.extents[0].length == entry.size)) {
      continue;
    }
    for (const Extent& e : entry.extents) {
      out.AppendRecord(ExtentRecord{e.logical, e.length, e.physical});
    }
  }
  out.Begin(kXattrs);
  out.Append(xattrs_.bytes());
  out.Begin(kTraits);
  for (const TraitsRecord& traits : traits_.records()) {
    out.AppendRecord(traits);
  }
}

}  // namespace

Status WriteTree(const LayerStack& stack, const std::filesystem::path& path,
                 std::string_view subject) {
  return TreeWriter(stack).Write(path, subject);
}

Status Merge(std::span<const LayerIndex* const> layers,
             const std::filesystem::path& path, const MergeOptions& options) {
  LayerStack stack(layers);
  IMGMOUNT_CHECK(stack.Apply(options));
  stack.DropNameTable();
  return WriteTree(stack, path, options.subject);
}

}  // namespace imgmount
