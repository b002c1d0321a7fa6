// SPDX-License-Identifier: Apache-2.0
// NameTable: finds the node of a name in a directory. Open addressing; never
// forgets a name.
#ifndef IMGMOUNT_META_UNION_NAME_TABLE_H_
#define IMGMOUNT_META_UNION_NAME_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "meta/union/union_tree.h"

namespace imgmount {

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = UINT32_MAX;

enum class NodeKind : uint8_t {
  kAbsent,  // hidden; its number may be parent of others that are hidden so
  kDirectory,
  kSymlink,
  kOther,        // a regular file, device, fifo or socket
  kWhiteout,     // only where whiteouts are shown
  kPendingLink,  // a hard link whose target comes later in the tar
};

// A name in a directory, and the entry behind it.
struct Node {
  const char* name = "";  // in a layer index
  NodeId parent = 0;
  uint32_t entry = 0;              // of `layer`'s index
  LayerPosition layer = kNoLayer;  // kNoLayer: a directory nobody lists
  LayerPosition named_by = 0;      // the layer that put the name here
  uint8_t name_length = 0;
  NodeKind kind = NodeKind::kAbsent;
  bool has_children = false;  // ever had
  bool show_opaque = false;

  std::string_view name_view() const { return {name, name_length}; }
};
static_assert(sizeof(Node) == 24);

class NameTable {
 public:
  NameTable();
  // The node of `name` in `directory`, or kNoNode.
  NodeId Find(const std::vector<Node>& nodes, NodeId directory,
              std::string_view name) const;
  // Enters a node whose name is not there.
  void Insert(const std::vector<Node>& nodes, NodeId node);
  // The name of `before` now belongs to `after`.
  void Replace(const std::vector<Node>& nodes, NodeId before, NodeId after);

 private:
  struct Slot {
    uint32_t hash = 0;
    NodeId node = kNoNode;
  };
  uint32_t Hash(NodeId directory, std::string_view name) const;
  void Grow();

  uint64_t seed_;  // so that nobody can prepare names that collide
  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_UNION_NAME_TABLE_H_
