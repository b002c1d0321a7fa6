// SPDX-License-Identifier: Apache-2.0
// Writes the named cases as the fuzz targets take them: DIR/<target>/<case>.
//
//   write_seeds DIR
#include <zstd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/file.h"
#include "meta/store/access_profile_file.h"
#include "meta/union/union_tree.h"
#include "tests/cases/cases.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {
namespace {

namespace fs = std::filesystem;

// Larger inputs only slow a fuzzer down.
constexpr size_t kMost = 256 << 10;

void Write(const fs::path& path, std::string_view bytes) {
  if (bytes.size() > kMost) return;
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string ReadAll(const fs::path& path) {
  return ReadFile(path, kMost + 1).value_or("");
}

// The content of a layer index's one zstd frame.
std::string BodyOf(const LayerIndex& index) {
  constexpr size_t kHeader = 24;
  const std::string file = index.Serialize();
  std::string body(kMost + 1, '\0');
  ZSTD_DCtx* const context = ZSTD_createDCtx();
  ZSTD_inBuffer in = {file.data() + kHeader, file.size() - kHeader, 0};
  ZSTD_outBuffer out = {body.data(), body.size(), 0};
  while (in.pos < in.size && out.pos < out.size &&
         ZSTD_isError(ZSTD_decompressStream(context, &out, &in)) == 0) {
  }
  ZSTD_freeDCtx(context);
  body.resize(out.pos);
  return body;
}

void WriteSeeds(const fs::path& top, const Case& image) {
  const TemporaryFolder folder;
  std::vector<LayerIndex> indexes;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const std::string& blob = image.layers[i];
    const std::string name = image.name + "." + std::to_string(i);
    if (DetectCompression(std::as_bytes(std::span(blob))) ==
        Compression::kNone) {
      Write(top / "tar_walk_fuzz" / name, '\x20' + blob);
    } else {
      Write(top / "gzip_stream_fuzz" / name, "\x10\x20\x02" + blob);
    }
    Write(top / "first_pass_fuzz" / name, '\x20' + blob);
    FirstPassOptions options;
    options.folder = folder.path() / std::to_string(i);
    const fs::path spans = options.folder / kSpansFile;
    auto pass = RunFirstPass(blob, std::move(options));
    if (!pass) return;
    Write(top / "layer_index_fuzz" / name, BodyOf(pass->index));
    Write(top / "span_table_fuzz" / name, ReadAll(spans));
    indexes.push_back(std::move(pass->index));
  }
  std::vector<const LayerIndex*> pointers;
  for (const LayerIndex& index : indexes) pointers.push_back(&index);
  if (!Merge(pointers, folder.path() / "tree")) return;
  std::string tree = ReadAll(folder.path() / "tree");
  // union_fuzz puts the magic back; an even first byte says: a whole file.
  if (!tree.empty()) tree[0] = 0;
  Write(top / "union_fuzz" / image.name, tree);
}

}  // namespace
}  // namespace imgmount::testing

int main(int argc, char** argv) {
  using namespace imgmount::testing;
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_seeds DIR\n");
    return 64;
  }
  Write(std::filesystem::path(argv[1]) / "access_profile_file_fuzz" / "two",
        imgmount::FormatProfiles(
            std::vector<imgmount::AccessProfile>{{{1, 2, 3}, {4, 5, 6}},
                                                 {{7, 8, 9}}},
            ""));
  for (const Case& image : GoodCases()) WriteSeeds(argv[1], image);
  for (const Case& image : HostileCases()) WriteSeeds(argv[1], image);
  return 0;
}
