// SPDX-License-Identifier: Apache-2.0
// BytesBlob: a blob in memory, which outlives it.
#ifndef IMGMOUNT_TESTS_SUPPORT_BYTES_BLOB_H_
#define IMGMOUNT_TESTS_SUPPORT_BYTES_BLOB_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "meta/layer/blob_source.h"

namespace imgmount::testing {

class BytesBlob : public BlobSource {
 public:
  explicit BytesBlob(std::span<const std::byte> bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_.size(); }
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) override {
    if (offset >= bytes_.size()) return 0;
    const auto part = bytes_.subspan(
        offset, std::min<uint64_t>(out.size(), bytes_.size() - offset));
    std::copy(part.begin(), part.end(), out.begin());
    return part.size();
  }
  void WillNeed(uint64_t, uint64_t) override {}

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_BYTES_BLOB_H_
