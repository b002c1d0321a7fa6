// SPDX-License-Identifier: Apache-2.0
#include "meta/upkeep/evict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "meta/layer/first_pass.h"
#include "meta/layer/span_digests.h"
#include "meta/partial/partial_blob.h"
#include "meta/store/layer_store.h"
#include "meta/store/use_lock.h"
#include "meta/upkeep/verify.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TarBuilder;

constexpr char kName[] = "docker.io/library/app:latest";

class EvictTest : public ::testing::Test {
 protected:
  EvictTest() {
    const auto descriptor = testing::WriteImage(
        cache_,
        {TarBuilder().File("f", testing::RandomBytes(300'000, 1)).Build()});
    EXPECT_TRUE(cache_.SetName(kName, descriptor));
    image_ = *cache_.Load(descriptor, Platform::Parse("linux/amd64").value());
    EXPECT_TRUE(UseLock::Hold(cache_, *image_));
    EXPECT_TRUE(OpenTree(cache_, *image_, 1));
  }
  const Descriptor& layer() const { return image_->manifest.layers[0]; }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
  std::optional<Image> image_;
};

TEST_F(EvictTest, KeepsWhatItTakesToReadParts) {
  const auto evicted = EvictImage(cache_, kName);
  ASSERT_TRUE(evicted) << evicted.error().message();
  EXPECT_THAT(evicted->layers, ElementsAre(layer().digest));
  EXPECT_EQ(evicted->bytes, layer().size);
  EXPECT_THAT(evicted->kept, IsEmpty());
  EXPECT_FALSE(cache_.HasBlob(layer().digest));
  EXPECT_TRUE(IsPartial(cache_, layer().digest));

  const auto folder = cache_.LayerFolder(layer().digest);
  auto spans = SpanTable::Open(folder / kSpansFile);
  ASSERT_TRUE(spans);
  const auto checked = WithSpanDigests(
      *std::move(spans), folder / kSpanDigestsFile, layer().digest);
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_EQ((*checked)->span(0).check, SpanCheck::kCompressed);
  EXPECT_TRUE(OpenTree(cache_, *image_, 1)) << "the tree needs no blob";

  const auto verified = VerifyCache(cache_, [] { return false; });
  ASSERT_TRUE(verified);
  EXPECT_THAT(verified->damage, IsEmpty());

  const auto again = EvictImage(cache_, kName);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->bytes, 0u);
}

TEST_F(EvictTest, LeavesWhatIsMounted) {
  const auto use = UseLock::Hold(cache_, *image_);
  const auto evicted = EvictImage(cache_, kName);
  ASSERT_TRUE(evicted) << evicted.error().message();
  EXPECT_THAT(evicted->layers, IsEmpty());
  EXPECT_EQ(evicted->kept.size(), 1u);
  EXPECT_TRUE(cache_.HasBlob(layer().digest));
}

TEST_F(EvictTest, ADamagedBlobStays) {
  std::fstream(cache_.BlobPath(layer().digest)).seekp(5000).put('!');
  const auto evicted = EvictImage(cache_, kName);
  ASSERT_FALSE(evicted);
  EXPECT_EQ(evicted.error().code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(cache_.HasBlob(layer().digest));
}

TEST_F(EvictTest, DigestsOfAnotherTableAreRefused) {
  ASSERT_TRUE(EvictImage(cache_, kName));
  const auto folder = cache_.LayerFolder(layer().digest);
  const auto path = folder / kSpanDigestsFile;
  const auto with = [&](const Digest& digest) {
    return WithSpanDigests(*SpanTable::Open(folder / kSpansFile), path, digest);
  };
  EXPECT_FALSE(with(DigestOf("another layer")));
  std::fstream(path).seekp(40).put('!');
  EXPECT_FALSE(with(layer().digest));
  std::filesystem::resize_file(path, 30);
  EXPECT_FALSE(with(layer().digest));
}

}  // namespace
}  // namespace imgmount
