// SPDX-License-Identifier: Apache-2.0
// A layer on disk after its first pass, and what its spans must give.
#ifndef IMGMOUNT_TESTS_SUPPORT_INDEXED_LAYER_H_
#define IMGMOUNT_TESTS_SUPPORT_INDEXED_LAYER_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "meta/layer/first_pass.h"
#include "meta/layer/span_table.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {

// About `size` bytes of a tar that has some of everything.
inline std::string SomeTar(size_t size, uint64_t seed) {
  TarBuilder tar;
  tar.Dir("dir/");
  std::mt19937_64 random(seed);
  for (size_t done = 0, i = 0; done < size; ++i) {
    const size_t length = std::min<size_t>(size - done, random() % 3'000'000);
    const std::string name = "dir/file" + std::to_string(i);
    switch (random() % 4) {
      case 0:
        tar.File(name, RandomBytes(length, i));
        break;
      case 1:
        tar.File(name, std::string(length, 'r'));
        break;
      default:
        tar.File(name, TextLikeBytes(length, i));
    }
    done += length + 1000;
  }
  return tar.Build();
}

// A layer on disk after its first pass.
struct IndexedLayer {
  TemporaryFolder folder;
  std::string blob;
  std::unique_ptr<BlobSource> source;
  std::unique_ptr<BlobSource> frames;
  std::unique_ptr<SpanTable> table;

  explicit IndexedLayer(std::string bytes) : blob(std::move(bytes)) {
    auto result = RunFirstPass(blob, {.folder = folder.path()});
    EXPECT_TRUE(result) << result.error().message();
    if (result) Open();
  }
  void Open() {
    std::ofstream(folder.path() / "blob", std::ios::binary) << blob;
    source = *OpenBlobFile(folder.path() / "blob");
    auto opened = SpanTable::Open(folder.path() / kSpansFile);
    ASSERT_TRUE(opened) << opened.error().message();
    table = *std::move(opened);
    if (table->needs_frames()) {
      frames = *OpenBlobFile(folder.path() / kFramesFile);
    }
  }
  Result<std::string> Decode(size_t i, uint64_t end = kMaxSpanBytes) const {
    std::string out(table->span(i).length, '\0');
    IMGMOUNT_TRY(auto decoder,
                 SpanDecoder::Start(*table, i, *source, frames.get(),
                                    std::as_writable_bytes(std::span(out))));
    IMGMOUNT_CHECK(decoder->DecodeTo(end));
    out.resize(decoder->ready());
    return out;
  }
};

inline void ExpectSpansGive(const IndexedLayer& layer, const std::string& tar) {
  ASSERT_TRUE(layer.table);
  ASSERT_EQ(layer.table->size(), tar.size());
  std::vector<size_t> order(layer.table->span_count());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  for (const size_t i : order) {
    const Span span = layer.table->span(i);
    auto bytes = layer.Decode(i);
    ASSERT_TRUE(bytes) << i << ": " << bytes.error().message();
    ASSERT_TRUE(*bytes == tar.substr(span.offset, span.length)) << i;
    EXPECT_EQ(layer.table->Find(span.offset), i);
    EXPECT_EQ(layer.table->Find(span.offset + span.length - 1), i);
  }
}

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_INDEXED_LAYER_H_
