// SPDX-License-Identifier: Apache-2.0
// MemberStarts: which byte of a layer's tar a decoder gives first that starts
// at a given place of the blob. Not thread-safe.
#ifndef IMGMOUNT_META_LAYER_MEMBER_STARTS_H_
#define IMGMOUNT_META_LAYER_MEMBER_STARTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace imgmount {

class MemberStarts {
 public:
  MemberStarts() = default;
  // Places in the blob, in any order: the only ones of which anything is kept,
  // as a blob may have more members than there is memory for.
  explicit MemberStarts(std::vector<uint64_t> wanted)
      : wanted_(std::move(wanted)) {
    std::sort(wanted_.begin(), wanted_.end());
    wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
    found_.resize(wanted_.size());
  }

  // A gzip member or zstd frame starts at `in_offset`, and what it gives at
  // `tar_offset`. In the blob's order; the same one may be noted again.
  void Note(uint64_t in_offset, uint64_t tar_offset) {
    while (next_ < wanted_.size() && wanted_[next_] < in_offset) ++next_;
    if (next_ < wanted_.size() && wanted_[next_] == in_offset) {
      found_[next_] = tar_offset;
    }
  }

  // No value where none starts, or nobody wanted to know.
  std::optional<uint64_t> Find(uint64_t in_offset) const {
    const auto at = std::lower_bound(wanted_.begin(), wanted_.end(), in_offset);
    if (at == wanted_.end() || *at != in_offset) return std::nullopt;
    return found_[static_cast<size_t>(at - wanted_.begin())];
  }

 private:
  std::vector<uint64_t> wanted_;  // ascending
  std::vector<std::optional<uint64_t>> found_;
  size_t next_ = 0;  // nothing before it can come any more
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_MEMBER_STARTS_H_
