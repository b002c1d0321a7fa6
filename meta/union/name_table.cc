// SPDX-License-Identifier: Apache-2.0
#include "meta/union/name_table.h"

#include <random>

#include "meta/base/xxh3.h"

namespace imgmount {
namespace {

constexpr size_t kFirstSlots = 1024;  // a power of two, as all sizes

}  // namespace

NameTable::NameTable() {
  std::random_device random;
  seed_ = uint64_t{random()} << 32 | random();
}

uint32_t NameTable::Hash(NodeId directory, std::string_view name) const {
  return static_cast<uint32_t>(XXH3_64bits_withSeed(
      name.data(), name.size(), seed_ ^ directory * 0x9e3779b97f4a7c15));
}

NodeId NameTable::Find(const std::vector<Node>& nodes, NodeId directory,
                       std::string_view name) const {
  if (slots_.empty()) return kNoNode;
  const uint32_t hash = Hash(directory, name);
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash & mask; slots_[i].node != kNoNode; i = (i + 1) & mask) {
    if (slots_[i].hash != hash) continue;
    const Node& node = nodes[slots_[i].node];
    if (node.parent == directory && node.name_view() == name) {
      return slots_[i].node;
    }
  }
  return kNoNode;
}

void NameTable::Insert(const std::vector<Node>& nodes, NodeId node) {
  if (used_ >= slots_.size() / 4 * 3) Grow();
  const uint32_t hash = Hash(nodes[node].parent, nodes[node].name_view());
  const size_t mask = slots_.size() - 1;
  size_t i = hash & mask;
  while (slots_[i].node != kNoNode) i = (i + 1) & mask;
  slots_[i] = {hash, node};
  ++used_;
}

void NameTable::Replace(const std::vector<Node>& nodes, NodeId before,
                        NodeId after) {
  const size_t mask = slots_.size() - 1;
  size_t i = Hash(nodes[before].parent, nodes[before].name_view()) & mask;
  while (slots_[i].node != before) i = (i + 1) & mask;
  slots_[i].node = after;
}

void NameTable::Grow() {
  std::vector<Slot> old(slots_.empty() ? kFirstSlots : slots_.size() * 2);
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.node == kNoNode) continue;
    size_t i = slot.hash & mask;
    while (slots_[i].node != kNoNode) i = (i + 1) & mask;
    slots_[i] = slot;
  }
}

}  // namespace imgmount
