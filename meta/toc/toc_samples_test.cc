// SPDX-License-Identifier: Apache-2.0
// Layers as other programs made them (tests/golden/toc/README.md), read by
// their TOCs and by their tars. To write the dumps anew:
// IMGMOUNT_UPDATE_GOLDEN=1 build/dev/test-bin/toc_test
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "meta/base/file.h"
#include "meta/codec/zstd_stream.h"
#include "meta/gzip/gzip_stream.h"
#include "meta/image/manifest.h"
#include "meta/toc/chunk_table.h"
#include "meta/toc/toc_compare.h"
#include "meta/toc/toc_location.h"
#include "meta/toc/toc_reader.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::RunFirstPass;
using testing::TemporaryFolder;

const std::filesystem::path kSamples = IMGMOUNT_SAMPLES;

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// A blob in memory.
class BytesBlob : public BlobSource {
 public:
  explicit BytesBlob(std::string_view bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_.size(); }
  Result<size_t> Read(uint64_t offset, std::span<std::byte> out) override {
    const auto part = Bytes(bytes_.substr(offset, out.size()));
    std::ranges::copy(part, out.begin());
    return part.size();
  }
  void WillNeed(uint64_t, uint64_t) override {}

 private:
  std::string_view bytes_;
};

template <typename Stream>
std::string Decode(std::string_view blob) {
  Stream stream;
  std::string out;
  std::span<const std::byte> in = Bytes(blob);
  while (true) {
    char buffer[4096];
    std::span<std::byte> room = std::as_writable_bytes(std::span(buffer));
    const size_t before = in.size();
    const auto status = stream.Step(in, room);
    EXPECT_TRUE(status) << status.error().message();
    const size_t made = sizeof buffer - room.size();
    out.append(buffer, made);
    if (!status || (made == 0 && in.size() == before)) return out;
  }
}

class Sample : public ::testing::TestWithParam<const char*> {
 protected:
  Sample() {
    const std::string name = GetParam();
    blob_ = ReadFile(kSamples / (name + ".blob"), 1 << 20).value();
    const std::string json =
        ReadFile(kSamples / (name + ".json"), 1 << 20).value();
    const auto document = ParseManifestOrIndex(json, "").value();
    layer_ = std::get<Manifest>(document).layers.at(0);
    claim_ = FindToc(*layer_).value().value();
  }

  Result<TocLocation> Footer() const {
    return ParseTocFooter(Bytes(blob_).last(kTocFooterBytes), blob_.size());
  }
  Result<Toc> Read() const {
    IMGMOUNT_TRY(const TocLocation where,
                 claim_.location ? *claim_.location : Footer());
    auto left = Bytes(blob_).subspan(where.offset, where.length);
    return ReadToc(claim_.digests, where, [&] {
      const auto piece = left.first(std::min<size_t>(left.size(), 100));
      left = left.subspan(piece.size());
      return piece;
    });
  }
  bool is_gzip() const { return blob_.starts_with("\x1f\x8b"); }
  std::string DecodeAll() const {
    return is_gzip() ? Decode<GzipStream>(blob_) : Decode<ZstdStream>(blob_);
  }
  std::string blob_;
  std::optional<Descriptor> layer_;
  TocClaim claim_;
};

// A file's bytes, out of what its extents lie in.
std::string Content(const EntryView& file, std::string_view from) {
  std::string out(file.size, '\0');
  for (const Extent& e : file.extents) {
    out.replace(e.logical, e.length, from.substr(e.physical, e.length));
  }
  return out;
}

TEST_P(Sample, SaysWhatItsTarSays) {
  const auto toc = Read();
  ASSERT_TRUE(toc) << toc.error().message();
  const TemporaryFolder folder;
  const auto path = folder.path() / "chunks";
  ASSERT_TRUE(WriteChunkTable(
      path, toc->chunks, is_gzip() ? TocEncoding::kGzip : TocEncoding::kZstd,
      "sample"));
  const auto table = OpenChunkTable(path, "sample");
  ASSERT_TRUE(table) << table.error().message();
  const auto pass = RunFirstPass(blob_, {.digest = layer_->digest,
                                         .size = layer_->size,
                                         .folder = folder.path(),
                                         .wanted_starts = StartsOf(**table)});
  ASSERT_TRUE(pass) << pass.error().message();
  const auto same = CompareTocWithTar(toc->index, pass->index);
  EXPECT_TRUE(same) << same.error().message();
  const auto holes =
      CompareChunks(toc->index, **table, pass->index, pass->starts);
  ASSERT_TRUE(holes) << holes.error().message();

  // Without the comparison's help: file by file, by chunks and out of the tar.
  BytesBlob blob(blob_);
  std::string chunks((*table)->size(), '\0');
  for (size_t i = 0; i < (*table)->span_count(); ++i) {
    const Span span = (*table)->span(i);
    const auto decoder = SpanDecoder::Start(
        **table, i, blob, nullptr,
        std::as_writable_bytes(std::span(chunks).subspan(span.offset)));
    ASSERT_TRUE(decoder) << decoder.error().message();
    const auto decoded = (*decoder)->DecodeTo(span.length);
    EXPECT_TRUE(decoded) << decoded.error().message();
  }
  const std::string tar = DecodeAll();
  for (size_t i = 0; i < toc->index.size(); ++i) {
    EXPECT_EQ(Content(toc->index.entry(i), chunks),
              Content(pass->index.entry(i), tar))
        << toc->index.entry(i).path;
  }
}

TEST_P(Sample, HasAFooterThatSaysWhereTheTocIs) {
  const auto footer = Footer();
  ASSERT_TRUE(footer) << footer.error().message();
  EXPECT_EQ(footer->encoding,
            is_gzip() ? TocEncoding::kGzip : TocEncoding::kZstd);
  if (!claim_.location) return;
  EXPECT_EQ(footer->offset, claim_.location->offset);
  EXPECT_EQ(footer->length, claim_.location->length);
  EXPECT_EQ(footer->data_end, claim_.location->data_end);
  EXPECT_EQ(footer->json_size, claim_.location->json_size);
}

TEST_P(Sample, GivesWhatItGave) {
  const auto toc = Read();
  ASSERT_TRUE(toc) << toc.error().message();
  std::string text = toc->index.Dump();
  for (const TocChunk& c : toc->chunks) {
    text += fmt::format("chunk {}+{} in {}+{} skip {}\n", c.offset, c.length,
                        c.in_offset, c.in_length, c.skip);
  }
  text += fmt::format("prefetch {}\n", toc->prefetch_end);
  const auto golden = kSamples / (std::string(GetParam()) + ".txt");
  if (std::getenv("IMGMOUNT_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(golden, std::ios::binary) << text;
  }
  EXPECT_EQ(ReadFile(golden, 1 << 20).value_or(""), text);
}

TEST_P(Sample, IsRefusedWithAnyByteOfItsTocChanged) {
  const TocLocation where = claim_.location ? *claim_.location : *Footer();
  for (uint64_t i = 0; i < where.length; i += 7) {
    blob_[where.offset + i] ^= 1;
    const auto toc = Read();
    // Fields that gzip does not look at, as its header's time, make no other
    // TOC.
    if (toc) {
      EXPECT_TRUE(is_gzip()) << i;
      EXPECT_TRUE(i < 10 || i + 8 + 2048 > where.length) << i;
    }
    blob_[where.offset + i] ^= 1;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Sample,
                         ::testing::Values("estargz", "estargz-min-chunk",
                                           "estargz-prefetch", "podman-4.3",
                                           "podman-5.4", "stargz-zstd"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) {
                             if (c == '-' || c == '.') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace imgmount
