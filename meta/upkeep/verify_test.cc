// SPDX-License-Identifier: Apache-2.0
#include "meta/upkeep/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "meta/store/layer_store.h"
#include "meta/store/use_lock.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TarBuilder;

class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto descriptor = testing::WriteImage(
        cache_, {TarBuilder().File("f", std::string(300'000, 'x')).Build()});
    ASSERT_TRUE(cache_.SetName("docker.io/library/x:1", descriptor));
    auto image = cache_.Load(descriptor, {"linux", "amd64", "", ""});
    ASSERT_TRUE(image);
    image_ = *std::move(image);
    ASSERT_TRUE(UseLock::Hold(cache_, *image_));
    ASSERT_TRUE(OpenTree(cache_, *image_, 1));
  }
  Verification Verify() const {
    const auto verified = VerifyCache(cache_, [] { return false; });
    EXPECT_TRUE(verified) << verified.error().message();
    return *verified;
  }
  std::vector<std::string> Damaged() const {
    std::vector<std::string> items;
    for (const Damage& damage : Verify().damage) items.push_back(damage.item);
    return items;
  }
  // Another byte in the middle of a file.
  void Spoil(const CacheItem& file) const {
    const auto path = cache_.folder() / file;
    const auto middle =
        static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
    std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(middle);
    const char byte = static_cast<char>(stream.get() ^ 1);
    stream.seekp(middle);
    stream.put(byte);
    ASSERT_TRUE(stream.good()) << path;
  }
  const Digest& layer() const { return image_->manifest.layers[0].digest; }
  CacheItem tree() const { return TreeItem(TreeKey(*image_, 1)); }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
  std::optional<Image> image_;
};

TEST_F(VerifyTest, FindsAWholeCacheWhole) {
  const Verification verified = Verify();
  EXPECT_TRUE(verified.damage.empty());
  EXPECT_EQ(verified.blobs, 3u);
  EXPECT_EQ(verified.layers, 1u);
  EXPECT_EQ(verified.trees, 1u);
}

TEST_F(VerifyTest, NamesADamagedBlobAndWhatIsWrongWithIt) {
  Spoil(BlobItem(image_->manifest.config.digest));
  const auto damage = Verify().damage;
  ASSERT_EQ(damage.size(), 1u);
  EXPECT_EQ(damage[0].item, BlobItem(image_->manifest.config.digest));
  EXPECT_THAT(damage[0].what, HasSubstr("its digest is sha256:"));
}

TEST_F(VerifyTest, NamesEveryDamagedDerivedFile) {
  for (const char* file : {"index", "spans", "facts.json"}) {
    Spoil(LayerItem(layer()) + '/' + file);
    EXPECT_THAT(Damaged(), ElementsAre(LayerItem(layer()))) << file;
    ASSERT_TRUE(RemoveDamaged(cache_, LayerItem(layer())));
    EXPECT_THAT(Damaged(), ElementsAre());
    ASSERT_TRUE(OpenTree(cache_, *image_, 1));  // makes it anew
  }
  Spoil(tree());
  EXPECT_THAT(Damaged(), ElementsAre(tree()));
}

TEST_F(VerifyTest, NoticesALayerThatIsMissing) {
  ASSERT_TRUE(std::filesystem::remove(cache_.BlobPath(layer())));
  const auto damage = Verify().damage;
  ASSERT_EQ(damage.size(), 1u);
  EXPECT_EQ(damage[0].item, BlobItem(layer()));
  EXPECT_EQ(damage[0].what, "missing, a layer of x:1");
}

TEST_F(VerifyTest, LeavesOutALayerThatIsBeingPulled) {
  Spoil(LayerItem(layer()) + "/index");
  const auto lock = cache_.LockLayer(layer());
  ASSERT_TRUE(lock);
  const Verification verified = Verify();
  EXPECT_TRUE(verified.damage.empty());
  EXPECT_EQ(verified.busy, 1u);
}

TEST_F(VerifyTest, EndsWhenInterrupted) {
  const auto verified = VerifyCache(cache_, [] { return true; });
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace imgmount
