// SPDX-License-Identifier: Apache-2.0
// Layers made in memory, for tests of the union: one call per entry.
//
//   LayerBuilder().Dir("etc").File("etc/motd", 5).Whiteout("etc/passwd")
#ifndef IMGMOUNT_META_UNION_LAYER_BUILDER_H_
#define IMGMOUNT_META_UNION_LAYER_BUILDER_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "meta/tar/layer_index.h"

namespace imgmount::testing {

class LayerBuilder {
 public:
  LayerBuilder& Dir(std::string path) {
    Add(EntryType::kDirectory, std::move(path)).mode = 0755;
    return *this;
  }
  LayerBuilder& File(std::string path, uint64_t size = 1) {
    LayerEntry& entry = Add(EntryType::kRegular, std::move(path));
    entry.size = size;
    if (size != 0) entry.extents = {{0, size, tar_offset_}};
    tar_offset_ += 512 + (size + 511) / 512 * 512;
    return *this;
  }
  LayerBuilder& Symlink(std::string path, std::string target) {
    Add(EntryType::kSymlink, std::move(path)).link_target = std::move(target);
    entries_.back().mode = 0777;
    return *this;
  }
  LayerBuilder& Link(std::string path, std::string target) {
    Add(EntryType::kHardLink, std::move(path)).link_target = std::move(target);
    return *this;
  }
  LayerBuilder& Device(EntryType type, std::string path, uint32_t major,
                       uint32_t minor) {
    LayerEntry& entry = Add(type, std::move(path));
    entry.device_major = major;
    entry.device_minor = minor;
    return *this;
  }
  LayerBuilder& Whiteout(std::string path) {
    Add(EntryType::kWhiteout, std::move(path));
    return *this;
  }
  LayerBuilder& Opaque(std::string path) {
    Add(EntryType::kOpaque, std::move(path));
    return *this;
  }
  LayerBuilder& Special(EntryType type, std::string path) {
    Add(type, std::move(path));
    return *this;
  }

  // About the entry added last.
  LayerBuilder& Mode(uint32_t mode) {
    entries_.back().mode = mode;
    return *this;
  }
  LayerBuilder& Owner(uint32_t uid, uint32_t gid) {
    entries_.back().uid = uid;
    entries_.back().gid = gid;
    return *this;
  }
  LayerBuilder& Mtime(int64_t seconds, uint32_t nanoseconds = 0) {
    entries_.back().mtime = {seconds, nanoseconds};
    return *this;
  }
  LayerBuilder& WithXattr(std::string name, std::string value) {
    entries_.back().xattrs.push_back({std::move(name), std::move(value)});
    return *this;
  }
  LayerBuilder& Sparse(std::vector<Extent> extents) {
    entries_.back().extents = std::move(extents);
    return *this;
  }

  const std::vector<LayerEntry>& entries() const { return entries_; }
  LayerIndex Build() const {
    LayerIndex index;
    for (const LayerEntry& entry : entries_) {
      const auto added = index.Add(entry);
      EXPECT_TRUE(added) << added.error().message();
    }
    return index;
  }

 private:
  LayerEntry& Add(EntryType type, std::string path) {
    LayerEntry& entry = entries_.emplace_back();
    entry.type = type;
    entry.path = std::move(path);
    entry.mode = 0644;
    return entry;
  }

  std::vector<LayerEntry> entries_;
  uint64_t tar_offset_ = 512;
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_META_UNION_LAYER_BUILDER_H_
