// SPDX-License-Identifier: Apache-2.0
#include "meta/store/layer_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "meta/store/layer_facts.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::TarBuilder;

const Platform kAmd64{"linux", "amd64", "", ""};

class LayerStoreTest : public ::testing::Test {
 protected:
  Image MakeImage(const std::vector<std::string>& tars,
                  std::string_view config = "{}") const {
    auto image = cache_.Load(testing::WriteImage(cache_, tars, config), kAmd64);
    EXPECT_TRUE(image) << image.error().message();
    return *image;
  }
  Result<LayerIndex> Load(const Image& image, size_t i) const {
    return LoadIndex(cache_, image.manifest.layers[i],
                     image.config.diff_ids[i]);
  }
  Result<OpenedLayer> Open(const Image& image, size_t i) const {
    return OpenLayer(cache_, image.manifest.layers[i],
                     image.config.diff_ids[i]);
  }
  fs::path FolderOf(const Image& image, size_t i) const {
    return cache_.LayerFolder(image.manifest.layers[i].digest);
  }
  std::string TreeDump(const Image& image, size_t count) const {
    auto tree = OpenTree(cache_, image, count);
    if (!tree) return tree.error().message();
    return *(*tree)->Dump();
  }

  // Sets a time that a rebuild would change, so that its absence shows.
  static void Touch(const fs::path& path) {
    fs::last_write_time(path, fs::file_time_type());
  }
  static bool IsTouched(const fs::path& path) {
    return fs::last_write_time(path) == fs::file_time_type();
  }
  static void Damage(const fs::path& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20);
    file.write("damaged!", 8);
    ASSERT_TRUE(file);
  }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
  const std::string lower_ =
      TarBuilder().Dir("etc").File("etc/motd", "hello").Build();
  const std::string upper_ = TarBuilder().Whiteout("etc/motd").Build();
};

TEST_F(LayerStoreTest, IndexesALayerThatHasNeverBeen) {
  const Image image = MakeImage({lower_});
  const Digest& digest = image.manifest.layers[0].digest;
  EXPECT_FALSE(HasDerivedFiles(cache_, digest));
  const auto index = Load(image, 0);
  ASSERT_TRUE(index) << index.error().message();
  EXPECT_EQ(index->size(), 2u);
  EXPECT_TRUE(HasDerivedFiles(cache_, digest));
}

TEST_F(LayerStoreTest, WritesDownWhatTheFirstPassFound) {
  const Image image = MakeImage({lower_});
  ASSERT_TRUE(Load(image, 0));
  const auto facts = LoadFacts(cache_, image.manifest.layers[0].digest);
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->diff_id, image.config.diff_ids[0]);
  EXPECT_EQ(facts->uncompressed_size, lower_.size());
  EXPECT_EQ(facts->diff_size, 5u);
}

TEST_F(LayerStoreTest, FactsOfAnOlderVersionAreFoundAnew) {
  const Image image = MakeImage({lower_});
  ASSERT_TRUE(Load(image, 0));
  std::ofstream(FolderOf(image, 0) / "facts.json") << fmt::format(
      R"({{"diff_id":"{}","uncompressed_size":{},"content_bytes":5,"checksum":"0"}})",
      image.config.diff_ids[0].text(), lower_.size());
  const Digest& layer = image.manifest.layers[0].digest;
  EXPECT_EQ(LoadFacts(cache_, layer).error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(Load(image, 0));
  EXPECT_EQ(LoadFacts(cache_, layer)->diff_size, 5u);
}

TEST_F(LayerStoreTest, MakesNothingTwice) {
  const Image image = MakeImage({lower_});
  ASSERT_TRUE(Load(image, 0));
  Touch(FolderOf(image, 0) / kIndexFile);
  ASSERT_TRUE(Load(image, 0));
  ASSERT_TRUE(Open(image, 0));
  EXPECT_TRUE(IsTouched(FolderOf(image, 0) / kIndexFile));
}

TEST_F(LayerStoreTest, RebuildsWhateverIsDamagedOrGone) {
  const Image image = MakeImage({lower_});
  ASSERT_TRUE(Load(image, 0));
  for (const char* name : {kIndexFile, kSpansFile, "facts.json"}) {
    const fs::path path = FolderOf(image, 0) / name;
    Damage(path);
    EXPECT_TRUE(Load(image, 0)) << name;
    EXPECT_TRUE(Open(image, 0)) << name;
    fs::remove(path);
    EXPECT_TRUE(Load(image, 0)) << name;
    EXPECT_TRUE(Open(image, 0)) << name;
  }
}

// Who indexed the layer first may have hashed it by the other algorithm.
TEST_F(LayerStoreTest, KnowsDiffIdsOfBothAlgorithms) {
  const Image image = MakeImage({lower_});
  const Descriptor& layer = image.manifest.layers[0];
  const DiffId& sha256 = image.config.diff_ids[0];
  const auto sha512 =
      DiffId::FromText(DigestOf(lower_, DigestAlgorithm::kSha512).text());
  const auto wrong =
      DiffId::FromText(DigestOf("x", DigestAlgorithm::kSha512).text());
  ASSERT_TRUE(LoadIndex(cache_, layer, sha256));
  const auto lie = LoadIndex(cache_, layer, wrong);
  ASSERT_FALSE(lie);
  EXPECT_EQ(lie.error().code(), ErrorCode::kCorrupt);
  const auto index = LoadIndex(cache_, layer, sha512);
  ASSERT_TRUE(index) << index.error().message();

  Touch(FolderOf(image, 0) / kIndexFile);
  EXPECT_TRUE(LoadIndex(cache_, layer, sha256));
  EXPECT_TRUE(LoadIndex(cache_, layer, sha512));
  EXPECT_FALSE(LoadIndex(cache_, layer, wrong));
  EXPECT_TRUE(IsTouched(FolderOf(image, 0) / kIndexFile)) << "both are known";
}

TEST_F(LayerStoreTest, ReadsALayerThroughItsSpans) {
  const Image image = MakeImage({lower_});
  const auto layer = Open(image, 0);
  ASSERT_TRUE(layer) << layer.error().message();
  EXPECT_EQ(layer->spans->size(), lower_.size());
  std::string tar(layer->spans->span(0).length, '\0');
  const auto decoder = SpanDecoder::Start(
      *layer->spans, 0, *layer->blob, layer->frames.get(),
      std::as_writable_bytes(std::span(tar.data(), tar.size())));
  ASSERT_TRUE(decoder) << decoder.error().message();
  ASSERT_TRUE((*decoder)->DecodeTo(tar.size()));
  EXPECT_EQ(tar, lower_);
}

TEST_F(LayerStoreTest, CutsSpansForWhoeverOpensTheLayerNext) {
  const std::string tar =
      TarBuilder().File("f", testing::TextLikeBytes(1 << 20, 1)).Build();
  const Image image = MakeImage({tar});
  const Digest& digest = image.manifest.layers[0].digest;
  const std::vector<TarRun> runs = {{600 << 10, 1}};
  EXPECT_EQ(CutLayer(cache_, digest, runs).error().code(),
            ErrorCode::kNotFound);
  const auto before = Open(image, 0);
  ASSERT_TRUE(before);
  {
    const auto lock = cache_.LockLayer(digest);
    EXPECT_TRUE(CutLayer(cache_, digest, runs)) << "somebody else is at it";
  }
  EXPECT_EQ(Open(image, 0)->spans->span_count(), 1u);
  ASSERT_TRUE(CutLayer(cache_, digest, runs));
  const auto after = Open(image, 0);
  ASSERT_TRUE(after);
  EXPECT_EQ(before->spans->span_count(), 1u) << "it goes on as it was";
  EXPECT_EQ(after->spans->span_count(), 3u);
}

TEST_F(LayerStoreTest, SaysThatALayerIsNotThere) {
  const Image image = MakeImage({lower_});
  fs::remove(cache_.BlobPath(image.manifest.layers[0].digest));
  for (const Error& error : {Load(image, 0).error(), Open(image, 0).error(),
                             OpenTree(cache_, image, 1).error()}) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.message(), HasSubstr("pull the image"));
  }
}

TEST_F(LayerStoreTest, RefusesABlobThatWasCutAfterItWasIndexed) {
  const Image image = MakeImage({lower_});
  ASSERT_TRUE(Open(image, 0));
  fs::resize_file(cache_.BlobPath(image.manifest.layers[0].digest), 10);
  const auto opened = Open(image, 0);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(opened.error().message(), HasSubstr("wrong size"));
}

TEST_F(LayerStoreTest, RefusesADiffIdThatTheLayerDoesNotHave) {
  const std::string wrong = "sha256:" + std::string(64, '0');
  const std::string config =
      fmt::format(R"({{"rootfs":{{"diff_ids":["{}"]}}}})", wrong);
  const Image honest = MakeImage({lower_});
  const Image liar = MakeImage({lower_}, config);
  const auto expect_refused = [&] {
    for (const Error& error : {Load(liar, 0).error(), Open(liar, 0).error(),
                               OpenTree(cache_, liar, 1).error()}) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
      EXPECT_THAT(error.message(), HasSubstr(wrong));
      EXPECT_THAT(error.message(), HasSubstr(honest.config.diff_ids[0].text()));
    }
  };
  expect_refused();
  // The same when an honest image had the layer indexed before.
  ASSERT_TRUE(Load(honest, 0));
  expect_refused();
}

TEST_F(LayerStoreTest, MergesAsManyLayersAsAskedFor) {
  const Image image = MakeImage({lower_, upper_});
  EXPECT_THAT(TreeDump(image, 1), HasSubstr("motd"));
  EXPECT_THAT(TreeDump(image, 2), ::testing::Not(HasSubstr("motd")));
  const auto empty = OpenTree(cache_, image, 0);
  ASSERT_TRUE(empty) << empty.error().message();
  EXPECT_EQ((*empty)->inode_count(), 1u);
}

TEST_F(LayerStoreTest, FilesATreeUnderItsChainId) {
  const Image image = MakeImage({lower_, upper_});
  ASSERT_TRUE(OpenTree(cache_, image, 2));
  const ChainId first = ExtendChain(nullptr, image.config.diff_ids[0]);
  const ChainId chain = ExtendChain(&first, image.config.diff_ids[1]);
  const fs::path path = cache_.TreePath(chain.hex());
  ASSERT_TRUE(fs::exists(path));
  Touch(path);
  ASSERT_TRUE(OpenTree(cache_, image, 2));
  EXPECT_TRUE(IsTouched(path));
}

TEST_F(LayerStoreTest, MakesADamagedTreeAnew) {
  const Image image = MakeImage({lower_});
  const std::string before = TreeDump(image, 1);
  const fs::path path =
      cache_.TreePath(ExtendChain(nullptr, image.config.diff_ids[0]).hex());
  fs::resize_file(path, 100);
  EXPECT_EQ(TreeDump(image, 1), before);
  fs::resize_file(path, 0);
  EXPECT_EQ(TreeDump(image, 1), before);
}

TEST_F(LayerStoreTest, ServesManyWhoWantOneImageAtOnce) {
  const Image image = MakeImage({lower_, upper_});
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      EXPECT_TRUE(OpenTree(cache_, image, 2));
      EXPECT_TRUE(Open(image, 0));
      EXPECT_TRUE(Load(image, 1));
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace imgmount
