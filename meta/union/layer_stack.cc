// SPDX-License-Identifier: Apache-2.0
#include "meta/union/layer_stack.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "meta/tar/entry_path.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr int kMaxHops = 40;  // as the kernel's MAXSYMLINKS
// Link targets that one layer may have us walk, all together.
constexpr uint64_t kMaxFollowedBytes = uint64_t{1} << 30;

std::pair<std::string_view, std::string_view> SplitPath(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

bool IsMarker(EntryType type) {
  return type == EntryType::kWhiteout || type == EntryType::kOpaque;
}

// Takes the next component off the paths in `rest`, the last of which is
// first; empty at their end.
std::string_view NextComponent(std::vector<std::string_view>& rest) {
  while (!rest.empty()) {
    std::string_view& path = rest.back();
    const size_t start = path.find_first_not_of('/');
    if (start == std::string_view::npos) {
      rest.pop_back();
      continue;
    }
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view component = path.substr(start, end - start);
    path.remove_prefix(end);
    return component;
  }
  return {};
}

}  // namespace

bool MayLinkBelow(const LayerIndex& layer) {
  std::unordered_set<std::string_view> above;
  for (size_t i = 0; i < layer.size(); ++i) {
    const EntryView entry = layer.entry(i);
    if (entry.type == EntryType::kHardLink &&
        !above.contains(entry.link_target)) {
      return true;
    }
    if (!IsMarker(entry.type)) above.insert(entry.path);
  }
  return false;
}

Status LayerStack::Apply(const MergeOptions& options) {
  if (layers_.size() >= kNoLayer) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("image of {} layers; at most {} can be mounted",
                            layers_.size(), kNoLayer - 1));
  }
  Node root;
  root.kind = NodeKind::kDirectory;
  IMGMOUNT_TRY(root_, NewNode(root));
  if (options.show_whiteouts) return ApplyAlone();
  for (size_t i = 0; i < layers_.size(); ++i) {
    layer_ = static_cast<LayerPosition>(i);
    IMGMOUNT_CHECK(ApplyLayer());
  }
  return {};
}

Status LayerStack::ApplyLayer() {
  FindMarkers();
  FindLowerTargets();
  IMGMOUNT_CHECK(HideLower());
  IMGMOUNT_CHECK(AddEntries());
  IMGMOUNT_CHECK(ResolvePendingLinks());
  HideWhiteoutDevices();
  return {};
}

// The union tells what the layer's hard links are; the rest is its own.
Status LayerStack::ApplyAlone() {
  if (layers_.empty()) return {};
  alone_ = true;
  layer_ = static_cast<LayerPosition>(layers_.size() - 1);
  if (layer_ > 0 && MayLinkBelow(*layers_[layer_])) {
    LayerStack whole(layers_);
    IMGMOUNT_CHECK(whole.Apply({}));
    lower_targets_ = std::move(whole.links_below_);
    std::sort(lower_targets_.begin(), lower_targets_.end(),
              [](const auto& a, const auto& b) { return a.entry < b.entry; });
  }
  FindMarkers();
  IMGMOUNT_CHECK(AddEntries());
  IMGMOUNT_CHECK(ResolvePendingLinks());
  return ShowMarkers();
}

void LayerStack::FindMarkers() {
  markers_.clear();
  for (uint32_t i = 0; i < layers_[layer_]->size(); ++i) {
    if (IsMarker(layers_[layer_]->entry(i).type)) markers_.push_back(i);
  }
}

// A link and a whiteout of its target in one layer are a rename, in whichever
// order they stand: so targets are looked up before anything is hidden.
void LayerStack::FindLowerTargets() {
  lower_targets_.clear();
  if (layer_ == 0) return;
  const LayerIndex& layer = *layers_[layer_];
  for (uint32_t i = 0; i < layer.size(); ++i) {
    const EntryView entry = layer.entry(i);
    if (entry.type != EntryType::kHardLink) continue;
    const auto found = Find(entry.link_target, WalkMode::kFollow);
    if (!found || *found == kNoNode) continue;
    const Node& node = nodes_[*found];
    lower_targets_.push_back({i, {node.layer, node.entry, node.kind}});
  }
}

Status LayerStack::HideLower() {
  for (const uint32_t i : markers_) {
    const EntryView marker = layers_[layer_]->entry(i);
    if (marker.type == EntryType::kOpaque) {
      IMGMOUNT_TRY(const NodeId node, Walk(marker.path, WalkMode::kExact));
      if (node != kNoNode) IMGMOUNT_CHECK(HideChildren(node));
    } else {
      IMGMOUNT_TRY(const NodeId node, Find(marker.path, WalkMode::kExact));
      if (node != kNoNode) Hide(node);
    }
  }
  return {};
}

Status LayerStack::AddEntries() {
  pending_links_.clear();
  links_below_.clear();
  followed_bytes_ = 0;
  last_parent_ = kNoNode;
  const LayerIndex& layer = *layers_[layer_];
  for (uint32_t i = 0; i < layer.size(); ++i) {
    const EntryView entry = layer.entry(i);
    if (IsMarker(entry.type)) continue;
    if (entry.type == EntryType::kDirectory) {
      IMGMOUNT_CHECK(AddDirectory(i, entry));
      continue;
    }
    if (entry.path.empty()) {
      return Corrupt(entry.path, "the root is not a directory");
    }
    IMGMOUNT_TRY(const NodeId parent, ParentFor(entry.path));
    const std::string_view name = SplitPath(entry.path).second;
    Identity what = {layer_, i, NodeKind::kOther};
    if (entry.type == EntryType::kSymlink) {
      if (entry.link_target.empty()) {
        return Corrupt(entry.path, "symlink without a target");
      }
      what.kind = NodeKind::kSymlink;
    } else if (entry.type == EntryType::kHardLink) {
      const NodeId replaced = FindName(parent, name);
      IMGMOUNT_TRY(
          what, LinkTarget(i, entry,
                           replaced == kNoNode ? nullptr : &nodes_[replaced]));
    }
    IMGMOUNT_TRY(const NodeId node, Put(parent, name, what));
    if (what.kind == NodeKind::kPendingLink) {
      pending_links_.push_back({node, i});
    } else if (what.layer != layer_) {
      links_below_.push_back({i, what});
    }
  }
  return {};
}

Status LayerStack::AddDirectory(uint32_t number, const EntryView& entry) {
  NodeId node = root_;
  if (!entry.path.empty()) {
    IMGMOUNT_TRY(const NodeId parent, ParentFor(entry.path));
    const std::string_view name = SplitPath(entry.path).second;
    node = FindName(parent, name);
    if (node == kNoNode || nodes_[node].kind != NodeKind::kDirectory) {
      IMGMOUNT_TRY(node,
                   Put(parent, name, {layer_, number, NodeKind::kDirectory}));
    }
  }
  nodes_[node].layer = layer_;
  nodes_[node].entry = number;
  // Its own entries come next, in most tars.
  last_parent_path_ = entry.path;
  last_parent_ = node;
  return {};
}

// The inode that a hard link shares: what has its target's name at this point
// of the tar, or had it in the lower layers, or will have it at the layer's
// end.
Result<LayerStack::Identity> LayerStack::LinkTarget(uint32_t number,
                                                    const EntryView& entry,
                                                    const Node* replaced) {
  Identity found;
  const auto lower = std::lower_bound(
      lower_targets_.begin(), lower_targets_.end(), number,
      [](const LowerTarget& t, uint32_t n) { return t.entry < n; });
  const bool has_lower =
      lower != lower_targets_.end() && lower->entry == number;
  if (alone_ && has_lower) return lower->identity;
  IMGMOUNT_TRY(const NodeId node, Find(entry.link_target, WalkMode::kFollow));
  if (node != kNoNode) {
    if (&nodes_[node] == replaced) {
      return Corrupt(entry.path, "hard link to itself");
    }
    found = {nodes_[node].layer, nodes_[node].entry, nodes_[node].kind};
  } else if (has_lower) {
    found = lower->identity;
  }
  if (found.kind == NodeKind::kDirectory) {
    return Corrupt(entry.path,
                   "hard link to the directory " + Quoted(entry.link_target));
  }
  if (found.kind == NodeKind::kAbsent || found.kind == NodeKind::kPendingLink) {
    return Identity{layer_, number, NodeKind::kPendingLink};
  }
  return found;
}

Status LayerStack::ResolvePendingLinks() {
  std::vector<NodeId> chain;
  for (const PendingLink& pending : pending_links_) {
    NodeId node = pending.node;
    // Replaced later in the tar, or done with another link's chain.
    if (nodes_[node].kind != NodeKind::kPendingLink ||
        nodes_[node].entry != pending.entry) {
      continue;
    }
    chain.clear();
    while (nodes_[node].kind == NodeKind::kPendingLink) {
      chain.push_back(node);
      const EntryView link = entry(nodes_[node]);
      IMGMOUNT_TRY(node, Find(link.link_target, WalkMode::kFollow));
      if (node == kNoNode) {
        return Corrupt(link.path, "hard link to " + Quoted(link.link_target) +
                                      ", which no layer has");
      }
      if (nodes_[node].kind == NodeKind::kDirectory) {
        return Corrupt(link.path, "hard link to the directory " +
                                      Quoted(link.link_target));
      }
      if (chain.size() > pending_links_.size()) {
        return Corrupt(link.path, "hard links in a circle");
      }
    }
    for (const NodeId link : chain) {
      nodes_[link].layer = nodes_[node].layer;
      nodes_[link].entry = nodes_[node].entry;
      nodes_[link].kind = nodes_[node].kind;
    }
    if (nodes_[node].layer != layer_) {
      links_below_.push_back(
          {pending.entry,
           {nodes_[node].layer, nodes_[node].entry, nodes_[node].kind}});
    }
  }
  return {};
}

// Engines unpack a character device 0:0 as they find it, and then it is the
// kernel's own whiteout: overlayfs hides it and what lower layers have there.
void LayerStack::HideWhiteoutDevices() {
  const LayerIndex& layer = *layers_[layer_];
  std::vector<bool> is_whiteout(layer.size(), false);
  bool any = false;
  for (uint32_t i = 0; i < layer.size(); ++i) {
    const EntryView entry = layer.entry(i);
    is_whiteout[i] = entry.type == EntryType::kCharDevice &&
                     entry.device_major == 0 && entry.device_minor == 0;
    any = any || is_whiteout[i];
  }
  if (!any) return;
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    const Node& node = nodes_[id];
    if (node.kind == NodeKind::kOther && node.layer == layer_ &&
        is_whiteout[node.entry]) {
      Hide(id);
    }
  }
}

// A single layer's own view. Shorter paths first, so that the order of markers
// in the tar makes no difference where one lies under another.
Status LayerStack::ShowMarkers() {
  const LayerIndex& layer = *layers_[layer_];
  std::sort(markers_.begin(), markers_.end(), [&](uint32_t a, uint32_t b) {
    return layer.entry(a).path < layer.entry(b).path;
  });
  for (const uint32_t i : markers_) {
    const EntryView marker = layer.entry(i);
    const bool is_opaque = marker.type == EntryType::kOpaque;
    const auto directory =
        is_opaque ? Walk(marker.path, WalkMode::kMake) : ParentFor(marker.path);
    // Something that is no directory is in the way: nothing to hide there.
    if (!directory) continue;
    NodeId node = *directory;
    if (!is_opaque) {
      const std::string_view name = SplitPath(marker.path).second;
      node = FindName(*directory, name);
      if (node == kNoNode) {
        IMGMOUNT_CHECK(Put(*directory, name, {layer_, i, NodeKind::kWhiteout}));
        continue;
      }
      if (nodes_[node].kind != NodeKind::kDirectory) continue;
    }
    nodes_[node].show_opaque = true;
  }
  return {};
}

Result<NodeId> LayerStack::Walk(std::string_view path, WalkMode mode,
                                std::string_view for_entry) {
  const std::string_view blamed = for_entry.empty() ? path : for_entry;
  walk_rest_.assign(1, path);
  NodeId directory = root_;
  int hops = 0;
  for (std::string_view name;
       name = NextComponent(walk_rest_), !name.empty();) {
    if (name == ".") continue;
    if (name == "..") {  // only in link targets; stays inside the root
      directory = nodes_[directory].parent;
      continue;
    }
    const NodeId next = FindName(directory, name);
    const NodeKind kind =
        next == kNoNode ? NodeKind::kAbsent : nodes_[next].kind;
    if (kind == NodeKind::kDirectory) {
      directory = next;
      continue;
    }
    const bool is_own = next != kNoNode && nodes_[next].named_by == layer_;
    if (kind == NodeKind::kSymlink &&
        (mode == WalkMode::kFollow || (mode == WalkMode::kMake && is_own))) {
      const std::string_view target = entry(nodes_[next]).link_target;
      followed_bytes_ += target.size();
      if (++hops > kMaxHops || followed_bytes_ > kMaxFollowedBytes) {
        return Corrupt(blamed, "too many symlinks");
      }
      if (target.starts_with('/')) directory = root_;
      walk_rest_.push_back(target);
      continue;
    }
    if (mode != WalkMode::kMake) return kNoNode;
    if (kind != NodeKind::kAbsent && is_own) {
      return Corrupt(blamed, Quoted(name) + " is not a directory");
    }
    if (name.size() > kMaxNameBytes) {
      return Corrupt(blamed, "name too long: " + Quoted(name));
    }
    IMGMOUNT_TRY(directory,
                 Put(directory, name, {kNoLayer, 0, NodeKind::kDirectory}));
  }
  return directory;
}

Result<NodeId> LayerStack::ParentFor(std::string_view path) {
  const std::string_view parent = SplitPath(path).first;
  if (last_parent_ != kNoNode && parent == last_parent_path_) {
    return last_parent_;
  }
  IMGMOUNT_TRY(const NodeId directory, Walk(parent, WalkMode::kMake, path));
  last_parent_path_ = parent;
  last_parent_ = directory;
  return directory;
}

NodeId LayerStack::FindName(NodeId directory, std::string_view name) const {
  const NodeId node = names_.Find(nodes_, directory, name);
  if (node != kNoNode && nodes_[node].kind == NodeKind::kAbsent) return kNoNode;
  return node;
}

Result<NodeId> LayerStack::Find(std::string_view path, WalkMode mode) {
  if (path.empty()) return root_;
  const auto [parent, name] = SplitPath(path);
  IMGMOUNT_TRY(const NodeId directory, Walk(parent, mode));
  return directory == kNoNode ? kNoNode : FindName(directory, name);
}

Result<NodeId> LayerStack::Put(NodeId directory, std::string_view name,
                               Identity what) {
  NodeId node = names_.Find(nodes_, directory, name);
  if (node == kNoNode) {
    Node fresh;
    fresh.name = name.data();
    fresh.name_length = static_cast<uint8_t>(name.size());
    fresh.parent = directory;
    IMGMOUNT_TRY(node, NewNode(fresh));
    names_.Insert(nodes_, node);
    nodes_[directory].has_children = true;
  } else if (nodes_[node].kind != NodeKind::kAbsent) {
    Hide(node);
  }
  if (nodes_[node].has_children) {
    // Nodes under the old number stay hidden with it.
    Node fresh = nodes_[node];
    fresh.has_children = false;
    IMGMOUNT_TRY(const NodeId moved, NewNode(fresh));
    names_.Replace(nodes_, node, moved);
    node = moved;
  }
  nodes_[node].layer = what.layer;
  nodes_[node].entry = what.entry;
  nodes_[node].kind = what.kind;
  nodes_[node].named_by = layer_;
  return node;
}

void LayerStack::Hide(NodeId node) {
  nodes_[node].kind = NodeKind::kAbsent;
  last_parent_ = kNoNode;  // may have led through it
}

Status LayerStack::HideChildren(NodeId node) {
  if (!nodes_[node].has_children) return {};
  // The children stay with the old number.
  Node fresh = nodes_[node];
  fresh.has_children = false;
  IMGMOUNT_TRY(const NodeId moved, NewNode(fresh));
  if (node == root_) {
    root_ = nodes_[moved].parent = moved;
  } else {
    names_.Replace(nodes_, node, moved);
  }
  Hide(node);
  return {};
}

Result<NodeId> LayerStack::NewNode(const Node& node) {
  if (nodes_.size() >= kNoNode) {
    return Fail(ErrorCode::kUnsupported, "image of more than 4 billion names");
  }
  nodes_.push_back(node);
  return static_cast<NodeId>(nodes_.size() - 1);
}

Failure LayerStack::Corrupt(std::string_view path,
                            std::string_view what) const {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("layer {}: {}: {}", layer_, Quoted(path), what));
}

}  // namespace imgmount
