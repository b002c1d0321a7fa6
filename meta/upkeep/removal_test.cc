// SPDX-License-Identifier: Apache-2.0
#include "meta/upkeep/removal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "meta/partial/partial_blob.h"
#include "meta/store/layer_store.h"
#include "meta/store/mount_record.h"
#include "meta/upkeep/inventory.h"
#include "tests/support/image_writer.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::TarBuilder;

// A cache with images over a common base, each with a layer of its own.
class RemovalTest : public ::testing::Test {
 protected:
  // As after a pull that ended at `used`.
  Image Add(const std::string& name, const std::string& own_content,
            std::time_t used = 1000) {
    const auto descriptor = testing::WriteImage(
        cache_, {TarBuilder().File("base", "base").Build(),
                 TarBuilder().File("own", own_content).Build()});
    EXPECT_TRUE(cache_.SetName(Canonical(name), descriptor));
    auto image = cache_.Load(descriptor, {"linux", "amd64", "", ""});
    EXPECT_TRUE(image) << image.error().message();
    {
      EXPECT_TRUE(UseLock::Hold(cache_, *image));
      EXPECT_TRUE(OpenTree(cache_, *image, 2));
    }
    SetTime(cache_.folder() / "imgmount/locks" /
                ("use-sha256-" + std::string(image->manifest_digest.hex())),
            used);
    SetTime(cache_.BlobPath(descriptor.digest), 1);
    return *image;
  }
  static std::string Canonical(const std::string& name) {
    return Reference::Parse(name)->Canonical();
  }
  static void SetTime(const std::filesystem::path& path, std::time_t time) {
    const timespec times[2] = {{time, 0}, {time, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0) << path;
  }

  Inventory Take() const {
    const auto lock = RemovalLock::Acquire(cache_);
    EXPECT_TRUE(lock);
    auto inventory = TakeInventory(cache_, *lock);
    EXPECT_TRUE(inventory) << inventory.error().message();
    return *inventory;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& image : Take().images) {
      for (size_t i = 0; i < image.names.size(); ++i) {
        names.push_back(image.ShownName(i));
      }
    }
    return names;
  }
  // Nothing is there that no image needs, and every image can be mounted.
  void ExpectConsistent() const {
    EXPECT_THAT(Take().Unneeded(), IsEmpty());
    for (const CachedImage& cached : Take().images) {
      for (const Image& image : cached.images) {
        for (const Descriptor& layer : image.manifest.layers) {
          EXPECT_TRUE(cache_.HasBlob(layer.digest)) << cached.ShownName();
        }
        EXPECT_TRUE(OpenTree(cache_, image, image.manifest.layers.size()));
      }
    }
  }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
};

TEST_F(RemovalTest, AnInventoryKnowsWhatIsShared) {
  const Image a = Add("a", "aaa", 5000);
  Add("b", "bbb");
  const Inventory inventory = Take();
  ASSERT_EQ(inventory.images.size(), 2u);
  EXPECT_EQ(inventory.images[0].ShownName(), "a:latest");
  EXPECT_EQ(inventory.images[0].last_used, 5000);
  EXPECT_FALSE(inventory.images[0].held);
  const auto& layers = a.manifest.layers;
  EXPECT_EQ(inventory.ImageCount(BlobItem(layers[0].digest)), 2u);
  EXPECT_EQ(inventory.ImageCount(LayerItem(layers[0].digest)), 2u);
  EXPECT_EQ(inventory.ImageCount(BlobItem(layers[1].digest)), 1u);
  EXPECT_THAT(inventory.Unneeded(), IsEmpty());
  // 2 manifests, 2 configs, 3 layers and what is derived of them, 2 trees.
  EXPECT_EQ(inventory.items.size(), 12u);
  EXPECT_EQ(inventory.items.at(BlobItem(layers[0].digest)), layers[0].size);
}

TEST_F(RemovalTest, RemovesAnImageButNotWhatOthersNeed) {
  const Image a = Add("a", "aaa");
  const Image b = Add("b", "bbb");
  const uint64_t before = Take().Bytes();
  const auto removed = RemoveImage(cache_, "a");
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_THAT(removed->names, ElementsAre("a:latest"));
  EXPECT_EQ(Take().Bytes(), before - removed->bytes);
  EXPECT_FALSE(cache_.HasBlob(a.manifest_digest));
  EXPECT_FALSE(cache_.HasBlob(a.manifest.layers[1].digest));
  EXPECT_TRUE(cache_.HasBlob(b.manifest.layers[0].digest));
  EXPECT_THAT(Names(), ElementsAre("b:latest"));
  EXPECT_EQ(Take().uses.size(), 1u);
  ExpectConsistent();
}

TEST_F(RemovalTest, OfSeveralNamesTakesOne) {
  const Image a = Add("a", "aaa");
  Add("a:2", "aaa");
  const auto removed = RemoveImage(cache_, "a:2");
  ASSERT_TRUE(removed);
  EXPECT_THAT(removed->names, ElementsAre("a:2"));
  EXPECT_THAT(removed->items, IsEmpty());
  EXPECT_THAT(Names(), ElementsAre("a:latest"));
  ExpectConsistent();
}

TEST_F(RemovalTest, TakesAnIdAndThenAllNames) {
  const Image a = Add("a", "aaa");
  Add("a:2", "aaa");
  Add("b", "bbb");
  const auto removed =
      RemoveImage(cache_, std::string(a.manifest.config.digest.short_hex()));
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_THAT(removed->names, UnorderedElementsAre("a:latest", "a:2"));
  EXPECT_THAT(Names(), ElementsAre("b:latest"));
}

TEST_F(RemovalTest, SuggestsWhatMayBeMeant) {
  Add("nginx", "aaa");
  const auto removed = RemoveImage(cache_, "ngnix:latest");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(removed.error().message(),
            "ngnix:latest: no such image in the cache; did you mean "
            "nginx:latest?");
}

TEST_F(RemovalTest, LeavesWhatIsInUse) {
  const Image a = Add("a", "aaa");
  Add("b", "bbb");
  const auto use = UseLock::Hold(cache_, a);
  auto refused = RemoveImage(cache_, "a");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("in use by another"));
  const auto mounted = MountRecord::Hold(cache_, a.manifest_digest, "/proc");
  refused = RemoveImage(cache_, "a");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
  EXPECT_THAT(refused.error().message(), HasSubstr("mounted on /proc"));

  const auto pruned = Prune(cache_, {.all_images = true, .max_bytes = 0});
  ASSERT_TRUE(pruned);
  EXPECT_THAT(pruned->names, ElementsAre("b:latest"));
  EXPECT_THAT(pruned->in_use, ElementsAre("a:latest"));
  EXPECT_EQ(pruned->left_bytes, Take().Bytes());
  EXPECT_THAT(Names(), ElementsAre("a:latest"));
  EXPECT_TRUE(cache_.HasBlob(a.manifest.layers[0].digest));
}

TEST_F(RemovalTest, LeavesTheFilesOfAMountWhoseTagHasMoved) {
  const Image old = Add("a", "old");
  const auto use = UseLock::Hold(cache_, old);
  Add("a", "new");
  ASSERT_TRUE(Prune(cache_, {.all_images = true}));
  EXPECT_THAT(Names(), IsEmpty());
  for (const Descriptor& layer : old.manifest.layers) {
    EXPECT_TRUE(cache_.HasBlob(layer.digest));
    EXPECT_TRUE(HasDerivedFiles(cache_, layer.digest));
  }
}

TEST_F(RemovalTest, PruningTakesWhatNobodyNeedsAlone) {
  const Image old = Add("a", "old");
  Add("a", "new");
  std::ofstream(cache_.PartialPath(DigestOf("interrupted"))) << "part";
  const auto dry = Prune(cache_, {.dry_run = true});
  ASSERT_TRUE(dry);
  EXPECT_TRUE(cache_.HasBlob(old.manifest_digest));
  const auto pruned = Prune(cache_, {});
  ASSERT_TRUE(pruned);
  EXPECT_EQ(pruned->items, dry->items);
  EXPECT_EQ(pruned->bytes, dry->bytes);
  EXPECT_THAT(pruned->names, IsEmpty());
  EXPECT_FALSE(cache_.HasBlob(old.manifest_digest));
  EXPECT_FALSE(
      std::filesystem::exists(cache_.PartialPath(DigestOf("interrupted"))));
  EXPECT_THAT(Names(), ElementsAre("a:latest"));
  ExpectConsistent();
}

TEST_F(RemovalTest, APartialBlobTakesWhatIsHereOfIt) {
  constexpr uint64_t kSize = 100 * kPieceBytes;
  const auto path = cache_.PartialPath(DigestOf("interrupted"));
  {
    const auto blob = PartialBlob::Open(path, kSize, PartialBlob::Mode::kMake);
    ASSERT_TRUE(blob);
    const auto claim = *(*blob)->ClaimMissing({5, 7}, 2);
    const std::string bytes(2 * kPieceBytes, 'x');
    ASSERT_TRUE((*blob)->Store(*claim, 5, std::as_bytes(std::span(bytes))));
  }
  const auto inventory = TakeInventory(cache_);
  ASSERT_TRUE(inventory);
  ASSERT_EQ(inventory->items.size(), 1u);
  EXPECT_GE(inventory->Bytes(), 2 * kPieceBytes);
  EXPECT_LT(inventory->Bytes(), 10 * kPieceBytes);

  ASSERT_TRUE(Prune(cache_, {}));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(PartialBlob::MapPath(path)));
  std::ofstream(PartialBlob::MapPath(path)) << "alone";
  ASSERT_TRUE(Prune(cache_, {}));
  EXPECT_FALSE(std::filesystem::exists(PartialBlob::MapPath(path)));
}

TEST_F(RemovalTest, PruningByAgeTakesWhatWasNotUsedSince) {
  Add("old", "1", 1000);
  Add("new", "2", 3000);
  const auto pruned = Prune(cache_, {.used_before = 2000});
  ASSERT_TRUE(pruned);
  EXPECT_THAT(pruned->names, ElementsAre("old:latest"));
  EXPECT_THAT(Names(), ElementsAre("new:latest"));
  ExpectConsistent();
}

TEST_F(RemovalTest, PruningBySizeTakesTheLeastRecentlyUsedFirst) {
  Add("b", "2", 2000);
  Add("a", "1", 1000);
  Add("c", "3", 3000);
  const uint64_t all = Take().Bytes();
  ASSERT_TRUE(Prune(cache_, {.max_bytes = all}));
  EXPECT_EQ(Names().size(), 3u);
  const auto pruned = Prune(cache_, {.max_bytes = all - 1});
  ASSERT_TRUE(pruned);
  EXPECT_THAT(pruned->names, ElementsAre("a:latest"));
  EXPECT_LT(Take().Bytes(), all);
  ExpectConsistent();
}

TEST_F(RemovalTest, KeepsBelowASizeButNeverTakesWhatJustCame) {
  const Image kept = Add("a", "1", 1000);
  Add("b", "2", 2000);
  const Image old = Add("b", "3", 3000);
  Add("b", "4", 4000);
  auto removed = KeepBelow(cache_, Take().Bytes(), kept.manifest_digest);
  ASSERT_TRUE(removed);
  EXPECT_THAT(removed->items, IsEmpty());  // not even what nobody needs
  removed = KeepBelow(cache_, 1, kept.manifest_digest);
  ASSERT_TRUE(removed);
  EXPECT_THAT(Names(), ElementsAre("a:latest"));
  ExpectConsistent();
}

TEST_F(RemovalTest, FindsAllThatIsHereOfAnIndex) {
  const Image amd64 = Add("one", "1");
  const Image other = Add("two", "2");
  const std::string index =
      R"({"schemaVersion":2,"mediaType":")" + std::string(kOciIndex) +
      R"(","manifests":[)" +
      R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
      amd64.manifest_digest.text() + R"(","size":)" +
      std::to_string(amd64.manifest_json.size()) +
      R"(,"platform":{"os":"linux","architecture":"amd64"}},)" +
      R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
      DigestOf("not here").text() +
      R"(","size":1,"platform":{"os":"linux","architecture":"arm64"}}]})";
  const auto digest = cache_.WriteBlob(index);
  ASSERT_TRUE(digest);
  ASSERT_TRUE(cache_.SetName(
      Canonical("multi"),
      {.media_type = kOciIndex, .digest = *digest, .size = index.size()}));
  ASSERT_TRUE(RemoveImage(cache_, "one"));
  ASSERT_TRUE(RemoveImage(cache_, "two"));
  EXPECT_TRUE(cache_.HasBlob(amd64.manifest.layers[1].digest));
  EXPECT_FALSE(cache_.HasBlob(other.manifest.layers[1].digest));
  EXPECT_EQ(Take().images.at(0).images.size(), 1u);
  ASSERT_TRUE(RemoveImage(cache_, "multi"));
  EXPECT_THAT(Take().items, IsEmpty());
  EXPECT_THAT(Take().uses, IsEmpty());
}

}  // namespace
}  // namespace imgmount
