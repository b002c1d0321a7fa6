// SPDX-License-Identifier: Apache-2.0
// Damaged derived files, through the whole stack from the cache to the bytes
// of a file: what is shown is right, or it is an error; and opening the image
// again puts it right.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fs/read/tree_reader.h"
#include "meta/base/xxh3.h"
#include "meta/store/cached_layers.h"
#include "meta/store/layer_store.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using testing::TarBuilder;

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Overwrite(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  ASSERT_TRUE(file) << path;
}

class DerivedFiles : public ::testing::Test {
 protected:
  DerivedFiles() {
    // Large enough for a saved state; re-encoded; as it is.
    const std::string gzip =
        TarBuilder()
            .Dir("d")
            .File("d/large", testing::TextLikeBytes((9 << 20) / 2, 1))
            .Xattr("user.k", "v")
            .Build();
    const std::string xz =
        TarBuilder()
            .File("d/text", testing::TextLikeBytes(90'000, 2))
            .Symlink("link", "d/text")
            .Build();
    const std::string plain =
        TarBuilder()
            .File("random", testing::RandomBytes(70'000, 3))
            .HardLink("same", "random")
            .Whiteout("d/none")
            .Build();
    const std::vector<testing::PublishedLayer> layers = {
        {gzip, testing::Gzip(gzip)}, {xz, testing::Xz(xz)}, {plain, plain}};
    image_.emplace(*cache_.Load(testing::WriteImage(cache_, layers),
                                Platform{"linux", "amd64", "", ""}));
    expected_ = *Show();
  }

  // All that a mount of the image would show, or the first error.
  Result<std::string> Show() const {
    const size_t count = image_->manifest.layers.size();
    const CachedLayers layers(cache_, *image_);
    IMGMOUNT_TRY(const auto tree, layers.Tree(count));
    const auto reader = TreeReader::Make(
        *tree, [&](LayerPosition layer) { return layers.Open(layer); });
    IMGMOUNT_TRY(std::string shown, tree->Dump());
    for (uint64_t i = 1; i <= tree->inode_count(); ++i) {
      IMGMOUNT_TRY(const Inode inode, tree->Get(Ino(i)));
      if (!S_ISREG(inode.mode)) continue;
      std::string content(inode.size, '\0');
      IMGMOUNT_TRY(
          const size_t n,
          reader->Read(Ino(i), 0, std::as_writable_bytes(std::span(content))));
      shown += fmt::format("{} {} {:x}\n", i, n,
                           XXH3_64bits(content.data(), content.size()));
    }
    return shown;
  }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const char* folder : {"layers", "trees"}) {
      for (const auto& entry : fs::recursive_directory_iterator(
               folder_.path() / "imgmount" / folder)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    }
    return files;
  }

  // Puts `bytes` in place of a good file.
  void Try(const fs::path& path, const std::string& good,
           const std::string& bytes, const std::string& what) {
    Overwrite(path, bytes);
    const auto shown = Show();
    if (shown) {
      ASSERT_EQ(*shown, expected_) << path << what;
    } else {
      ++refused_;
      ASSERT_EQ(shown.error().code(), ErrorCode::kCorrupt)
          << path << what << ": " << shown.error().message();
    }
    const auto again = Show();
    ASSERT_TRUE(again) << path << what
                       << " does not heal: " << again.error().message();
    ASSERT_EQ(*again, expected_) << path << what;
    Overwrite(path, good);
  }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
  std::optional<Image> image_;
  std::string expected_;
  int refused_ = 0;
};

TEST_F(DerivedFiles, AreThoseThatThisTestMeans) {
  std::set<std::string> names;
  for (const fs::path& path : Files()) names.insert(path.filename());
  EXPECT_TRUE(names.contains(kIndexFile));
  EXPECT_TRUE(names.contains(kSpansFile));
  EXPECT_TRUE(names.contains(kFramesFile));
  EXPECT_GE(Files().size(), 8u);
}

TEST_F(DerivedFiles, WithAFlippedByteAreRefusedOrMadeAnew) {
  constexpr size_t kPlaces = 24;
  for (const fs::path& path : Files()) {
    const std::string good = Contents(path);
    std::set<size_t> places = {
        0, 8, 9, 12, 16, 23, 40, good.size() - 1, good.size() - 8};
    for (size_t i = 0; i < kPlaces; ++i) {
      places.insert(i * good.size() / kPlaces + i);
    }
    for (const size_t place : places) {
      if (place >= good.size()) continue;
      std::string bad = good;
      bad[place] = static_cast<char>(bad[place] ^ (1 << place % 8));
      Try(path, good, bad, fmt::format(": byte {}", place));
      if (HasFatalFailure()) return;
    }
  }
  // A mounted image can only refuse: the test saw that too.
  EXPECT_GT(refused_, 0);
}

TEST_F(DerivedFiles, ThatWereCutAreRefusedOrMadeAnew) {
  for (const fs::path& path : Files()) {
    const std::string good = Contents(path);
    for (const size_t size : {size_t{0}, size_t{1}, good.size() / 3,
                              good.size() / 2, good.size() - 1}) {
      Try(path, good, good.substr(0, size), fmt::format(": cut to {}", size));
      if (HasFatalFailure()) return;
    }
    Try(path, good, good + "more", ": with more bytes");
    if (HasFatalFailure()) return;
  }
}

// Each intact, and about something else.
TEST_F(DerivedFiles, OfAnotherLayerOrImageAreRefusedOrMadeAnew) {
  ASSERT_TRUE(OpenTree(cache_, *image_, 1));  // so that there are two trees
  const auto kind = [](const fs::path& path) {
    return path.parent_path().filename() == "trees" ? "tree" : path.filename();
  };
  int tried = 0;
  for (const fs::path& path : Files()) {
    for (const fs::path& other : Files()) {
      if (other == path || kind(other) != kind(path)) continue;
      Try(path, Contents(path), Contents(other), " is " + other.string());
      if (HasFatalFailure()) return;
      ++tried;
    }
  }
  EXPECT_EQ(tried, 3 * 6 + 2);  // index, spans and facts of three layers; trees
}

}  // namespace
}  // namespace imgmount
