// SPDX-License-Identifier: Apache-2.0
// Layers as other programs made them (tests/golden/toc/README.md), read by
// their TOCs and by their tars. To write the dumps anew:
// IMGMOUNT_UPDATE_GOLDEN=1 build/dev/test-bin/toc_test
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "meta/base/file.h"
#include "meta/codec/zstd_stream.h"
#include "meta/gzip/gzip_stream.h"
#include "meta/image/manifest.h"
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

// What `blob` decodes to from its start on.
template <typename Stream>
std::string Decode(std::string_view blob, size_t most = SIZE_MAX) {
  Stream stream;
  std::string out;
  std::span<const std::byte> in = Bytes(blob);
  while (out.size() < most) {
    char buffer[4096];
    std::span<std::byte> room = std::as_writable_bytes(std::span(buffer));
    const size_t before = in.size();
    const auto status = stream.Step(in, room);
    EXPECT_TRUE(status) << status.error().message();
    const size_t made = sizeof buffer - room.size();
    out.append(buffer, made);
    if (!status || (made == 0 && in.size() == before)) break;
  }
  out.resize(std::min(out.size(), most));
  return out;
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
  std::string DecodeChunk(const TocChunk& chunk) const {
    const auto in =
        std::string_view(blob_).substr(chunk.in_offset, chunk.in_length);
    const size_t end = chunk.skip + chunk.length;
    const std::string out =
        is_gzip() ? Decode<GzipStream>(in, end) : Decode<ZstdStream>(in, end);
    return out.substr(std::min(chunk.skip, out.size()));
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
  const auto pass = RunFirstPass(blob_, {.digest = layer_->digest,
                                         .size = layer_->size,
                                         .folder = folder.path()});
  ASSERT_TRUE(pass) << pass.error().message();
  const auto same = CompareTocWithTar(toc->index, pass->index);
  EXPECT_TRUE(same) << same.error().message();
  // An eStargz' times are in whole seconds; all else is alike to the byte.
  EXPECT_EQ(toc->index.content_bytes(), pass->index.content_bytes());

  const std::string tar = DecodeAll();
  std::string chunks;
  for (const TocChunk& chunk : toc->chunks) {
    EXPECT_EQ(chunk.offset, chunks.size());
    const std::string content = DecodeChunk(chunk);
    EXPECT_EQ(content.size(), chunk.length);
    EXPECT_EQ(Sha256(Bytes(content)), chunk.sha256);
    chunks += content;
  }
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
    // What gzip does not look at, as the time in its header, makes no other
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
