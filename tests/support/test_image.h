// SPDX-License-Identifier: Apache-2.0
// Images in memory, for tests of fs/: layers whose tars are stored spans, and
// the real union tree over them.
#ifndef IMGMOUNT_TESTS_SUPPORT_TEST_IMAGE_H_
#define IMGMOUNT_TESTS_SUPPORT_TEST_IMAGE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fs/read/tree_reader.h"
#include "meta/base/xxh3.h"
#include "meta/layer/span_table.h"
#include "meta/union/layer_builder.h"
#include "meta/union/union_tree.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {

// A layer's entries and the bytes that their extents point to.
class TestLayer : public LayerBuilder {
 public:
  TestLayer& Content(std::string path, std::string content) {
    File(std::move(path), content.size());
    if (!content.empty()) Sparse({{0, content.size(), tar_.size()}});
    tar_ += content;
    return *this;
  }
  // A file of `size` bytes with data at the offsets given, zeros elsewhere.
  TestLayer& SparseContent(
      std::string path, uint64_t size,
      const std::vector<std::pair<uint64_t, std::string>>& runs) {
    File(std::move(path), size);
    std::vector<Extent> extents;
    for (const auto& [offset, content] : runs) {
      extents.push_back({offset, content.size(), tar_.size()});
      tar_ += content;
    }
    Sparse(std::move(extents));
    return *this;
  }
  const std::string& tar() const { return tar_; }

 private:
  std::string tar_;
};

// A tar in memory: blob and span table.
struct TestTar {
  std::string bytes;
  uint64_t span_bytes = 1 << 20;
  std::vector<uint64_t> checksums;  // of all blocks of all spans, in order
  std::atomic<uint64_t> bytes_read{0};
  std::atomic<int> opened{0};
  std::atomic<bool> refuse_to_open{false};
  std::function<void(uint64_t offset)> on_read;  // may be empty
  std::string identity;                          // OpenedLayer's

  size_t span_count() const {
    return (bytes.size() + span_bytes - 1) / span_bytes;
  }
  uint64_t span_length(size_t i) const {
    return std::min<uint64_t>(span_bytes, bytes.size() - i * span_bytes);
  }
  size_t blocks_per_span() const {
    return (span_bytes + kBlockBytes - 1) / kBlockBytes;
  }
};

class TestBlob : public BlobSource {
 public:
  explicit TestBlob(TestTar& tar) : tar_(tar) {}
  uint64_t size() const override { return tar_.bytes.size(); }
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) override {
    if (offset >= size()) return 0;
    const size_t n = std::min<uint64_t>(out.size(), size() - offset);
    std::memcpy(out.data(), tar_.bytes.data() + offset, n);
    tar_.bytes_read += n;
    if (tar_.on_read) tar_.on_read(offset);
    return n;
  }
  void WillNeed(uint64_t, uint64_t) override {}

 private:
  TestTar& tar_;
};

class TestSpanTable : public SpanTable {
 public:
  explicit TestSpanTable(const TestTar& tar) : tar_(tar) {}
  uint64_t size() const override { return tar_.bytes.size(); }
  size_t span_count() const override { return tar_.span_count(); }
  Span span(size_t i) const override {
    Span span;
    span.offset = span.in_offset = i * tar_.span_bytes;
    span.length = span.in_length = tar_.span_length(i);
    span.first_block = i * tar_.blocks_per_span();
    return span;
  }
  size_t Find(uint64_t offset) const override {
    return offset / tar_.span_bytes;
  }
  bool needs_frames() const override { return false; }
  uint64_t block_checksum(size_t i, size_t b) const override {
    return tar_.checksums.at(i * tar_.blocks_per_span() + b);
  }
  Result<std::string_view> PackedState(size_t) const override {
    return std::string_view();
  }
  void WillNeed(size_t) const override {}

 private:
  const TestTar& tar_;
};

class TestImage {
 public:
  explicit TestImage(const std::vector<TestLayer>& layers,
                     uint64_t span_bytes = 1 << 20) {
    std::vector<LayerIndex> indexes;
    for (const TestLayer& layer : layers) {
      indexes.push_back(layer.Build());
      auto tar = std::make_unique<TestTar>();
      tar->bytes = layer.tar();
      tar->span_bytes = span_bytes;
      for (size_t i = 0; i < tar->span_count(); ++i) {
        for (size_t b = 0; b < tar->blocks_per_span(); ++b) {
          const uint64_t begin = i * span_bytes + b * kBlockBytes;
          const uint64_t end = std::min<uint64_t>(
              begin + kBlockBytes, i * span_bytes + tar->span_length(i));
          tar->checksums.push_back(
              begin < end ? XXH3_64bits(tar->bytes.data() + begin, end - begin)
                          : 0);
        }
      }
      tars_.push_back(std::move(tar));
    }
    std::vector<const LayerIndex*> pointers;
    for (const LayerIndex& index : indexes) pointers.push_back(&index);
    const auto path = folder_.path() / "tree";
    const auto merged = Merge(pointers, path);
    EXPECT_TRUE(merged) << merged.error().message();
    auto tree = UnionTree::Open(path);
    EXPECT_TRUE(tree) << tree.error().message();
    tree_ = *std::move(tree);
  }

  const UnionTree& tree() const { return *tree_; }
  TestTar& tar(size_t layer) { return *tars_.at(layer); }
  Ino ino(std::string_view path) const { return *tree_->Resolve(path); }

  TreeReader::LayerOpener opener() {
    return [this](LayerPosition position) -> Result<OpenedLayer> {
      TestTar& tar = *tars_.at(position);
      ++tar.opened;
      if (tar.refuse_to_open) return Fail(ErrorCode::kNotFound, "no such blob");
      return OpenedLayer{tar.identity, std::make_unique<TestBlob>(tar), nullptr,
                         std::make_unique<TestSpanTable>(tar)};
    };
  }

 private:
  TemporaryFolder folder_;
  std::vector<std::unique_ptr<TestTar>> tars_;
  std::unique_ptr<UnionTree> tree_;
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_TEST_IMAGE_H_
