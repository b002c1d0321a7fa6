// SPDX-License-Identifier: Apache-2.0
// LayerStack: the union of an image's layers in memory, while its tree file is
// being made.
//
// Compact, for millions of entries: a node is a name in a directory and says
// which entry of which layer stands behind it; everything else stays in the
// layer indexes. Two names with the same (layer, entry) are one inode.
#ifndef IMGMOUNT_META_UNION_LAYER_STACK_H_
#define IMGMOUNT_META_UNION_LAYER_STACK_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/tar/layer_index.h"
#include "meta/union/name_table.h"
#include "meta/union/union_tree.h"

namespace imgmount {

class LayerStack {
 public:
  explicit LayerStack(std::span<const LayerIndex* const> layers)
      : layers_(layers) {}

  // Puts all layers on top of each other, bottom first; or with show_whiteouts
  // only the last one, those below it serving its hard links. Once.
  Status Apply(const MergeOptions& options);

  // A parent's number is always less than its children's, the root's parent is
  // the root. A node is visible if it and all its parents are not kAbsent.
  const std::vector<Node>& nodes() const { return nodes_; }
  NodeId root() const { return root_; }
  EntryView entry(const Node& node) const {
    return layers_[node.layer]->entry(node.entry);
  }
  std::span<const LayerIndex* const> layers() const { return layers_; }
  // Frees what only Apply() needs.
  void DropNameTable() { names_ = NameTable(); }

 private:
  // The inode behind a name.
  struct Identity {
    LayerPosition layer = kNoLayer;
    uint32_t entry = 0;
    NodeKind kind = NodeKind::kAbsent;
  };
  // A hard link of the layer being applied, by the number of its entry, and
  // the inode of a lower layer that it shares.
  struct LowerTarget {
    uint32_t entry;
    Identity identity;
  };
  struct PendingLink {
    NodeId node;
    uint32_t entry;
  };
  enum class WalkMode {
    kExact,   // no link is followed; kNoNode if there is no such directory
    kFollow,  // links are followed; kNoNode likewise
    // As the extraction of the layer's tar does: links that the layer itself
    // made are followed, what is missing is made, and what lower layers have
    // in the way gives way.
    kMake,
  };

  Status ApplyLayer();
  Status ApplyAlone();
  void FindMarkers();
  void FindLowerTargets();
  Status HideLower();
  Status AddEntries();
  Status AddDirectory(uint32_t number, const EntryView& entry);
  Result<Identity> LinkTarget(uint32_t number, const EntryView& entry,
                              const Node* replaced);
  Status ResolvePendingLinks();
  void HideWhiteoutDevices();
  Status ShowMarkers();

  // Errors name `for_entry`, or `path` where that is empty.
  Result<NodeId> Walk(std::string_view path, WalkMode mode,
                      std::string_view for_entry = {});
  // The directory that entry `path` lies in, kMake.
  Result<NodeId> ParentFor(std::string_view path);
  NodeId FindName(NodeId directory, std::string_view name) const;
  // The node at `path`; links in its parents are followed if the mode says so.
  Result<NodeId> Find(std::string_view path, WalkMode mode);
  Result<NodeId> Put(NodeId directory, std::string_view name, Identity what);
  void Hide(NodeId node);
  Status HideChildren(NodeId node);
  Result<NodeId> NewNode(const Node& node);
  Failure Corrupt(std::string_view path, std::string_view what) const;

  std::span<const LayerIndex* const> layers_;
  LayerPosition layer_ = 0;  // the one being applied
  std::vector<Node> nodes_;
  NameTable names_;
  NodeId root_ = kNoNode;

  std::vector<uint32_t> markers_;  // whiteouts and opaques of this layer
  // By entry: what a link's target was before this layer. Where it is applied
  // alone: what the links are in the union, if it is below.
  std::vector<LowerTarget> lower_targets_;
  std::vector<LowerTarget> links_below_;  // that this layer turned out to have
  bool alone_ = false;
  std::vector<PendingLink> pending_links_;
  uint64_t followed_bytes_ = 0;
  std::vector<std::string_view> walk_rest_;
  // The last ParentFor(), as consecutive entries often share it.
  std::string_view last_parent_path_;
  NodeId last_parent_ = kNoNode;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_UNION_LAYER_STACK_H_
