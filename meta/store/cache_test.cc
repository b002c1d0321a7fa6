// SPDX-License-Identifier: Apache-2.0
#include "meta/store/cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/matchers.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr char kName[] = "docker.io/library/x:latest";

class CacheTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "cache-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  Cache OpenCache() const {
    auto cache = Cache::Open(folder_);
    EXPECT_TRUE(cache) << cache.error().message();
    return *cache;
  }
  nlohmann::json ReadIndexJson() const {
    std::ifstream in(folder_ / "index.json");
    return nlohmann::json::parse(in);
  }
  void Write(const fs::path& path, std::string_view text) const {
    std::ofstream(folder_ / path) << text;
  }

  // Stores an image without layers; tells how it is found.
  static Descriptor AddImage(const Cache& cache,
                             const std::string& architecture) {
    const std::string config = fmt::format(
        R"({{"os":"linux","architecture":"{}","rootfs":{{"diff_ids":[]}}}})",
        architecture);
    const std::string manifest = fmt::format(
        R"({{"schemaVersion":2,"mediaType":"{}","layers":[],
             "config":{{"digest":"{}","size":{},"mediaType":
               "application/vnd.oci.image.config.v1+json"}}}})",
        kOciManifest, cache.WriteBlob(config)->text(), config.size());
    return {.media_type = kOciManifest,
            .digest = *cache.WriteBlob(manifest),
            .size = manifest.size()};
  }

  // Stores an index of these; `platforms` may be empty texts.
  static Descriptor AddIndex(
      const Cache& cache,
      const std::vector<std::pair<Descriptor, std::string>>& entries) {
    std::string list;
    for (const auto& [descriptor, architecture] : entries) {
      if (!list.empty()) list += ',';
      list += fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{})",
                          descriptor.media_type, descriptor.digest.text(),
                          descriptor.size);
      if (!architecture.empty()) {
        list +=
            fmt::format(R"(,"platform":{{"os":"linux","architecture":"{}"}})",
                        architecture);
      }
      list += '}';
    }
    const std::string index =
        fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})", list);
    return {.media_type = kOciIndex,
            .digest = *cache.WriteBlob(index),
            .size = index.size()};
  }

  fs::path folder_;
  const Platform amd64_{"linux", "amd64", "", ""};
  const Platform s390x_{"linux", "s390x", "", ""};
};

TEST_F(CacheTest, IsAnImageLayoutFromTheStart) {
  OpenCache();
  EXPECT_EQ(*ReadFile(folder_ / "oci-layout", 1000),
            R"({"imageLayoutVersion":"1.0.0"})");
  EXPECT_THAT(ReadIndexJson()["manifests"], IsEmpty());
  EXPECT_TRUE(fs::is_directory(folder_ / "blobs/sha256"));
}

TEST_F(CacheTest, KeepsWhatItHasWhenOpenedAgain) {
  ASSERT_TRUE(OpenCache().SetName(kName, AddImage(OpenCache(), "amd64")));
  EXPECT_EQ(OpenCache().List()->size(), 1u);
}

TEST_F(CacheTest, CannotBeOpenedWhereNoFolderCanBe) {
  Write("file", "");
  const auto cache = Cache::Open(folder_ / "file" / "cache");
  ASSERT_FALSE(cache);
  EXPECT_EQ(cache.error().code(), ErrorCode::kIo);
  EXPECT_THAT(cache.error().message(), HasSubstr(folder_ / "file"));
}

TEST_F(CacheTest, GivesBlobsBack) {
  const Cache cache = OpenCache();
  const auto digest = cache.WriteBlob("hello");
  ASSERT_TRUE(digest);
  EXPECT_EQ(*digest, DigestOf("hello"));
  EXPECT_TRUE(cache.HasBlob(*digest));
  EXPECT_EQ(*cache.ReadBlob(*digest, 100), "hello");
  EXPECT_FALSE(cache.ReadBlob(*digest, 4));
}

TEST_F(CacheTest, KeepsSha512BlobsInTheirOwnFolder) {
  const Cache cache = OpenCache();
  const Digest digest = *cache.WriteBlob("hello", DigestAlgorithm::kSha512);
  EXPECT_EQ(digest.algorithm(), DigestAlgorithm::kSha512);
  EXPECT_EQ(cache.BlobPath(digest),
            folder_ / "blobs" / "sha512" / digest.hex());
  EXPECT_EQ(*cache.ReadBlob(digest, 100), "hello");
}

TEST_F(CacheTest, NeverGivesADamagedBlobAndReplacesIt) {
  const Cache cache = OpenCache();
  const Digest digest = *cache.WriteBlob("hello");
  Write(cache.BlobPath(digest), "jello");
  const auto damaged = cache.ReadBlob(digest, 100);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code(), ErrorCode::kCorrupt);
  ASSERT_TRUE(cache.WriteBlob("hello"));
  EXPECT_EQ(*cache.ReadBlob(digest, 100), "hello");
}

TEST_F(CacheTest, TellsThatABlobIsMissing) {
  const auto missing = OpenCache().ReadBlob(DigestOf("x"), 10);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr(DigestOf("x").text()));
}

TEST_F(CacheTest, FindsAnImageByItsName) {
  const Cache cache = OpenCache();
  const Descriptor descriptor = AddImage(cache, "amd64");
  ASSERT_TRUE(cache.SetName(kName, descriptor));
  const auto image = cache.Find(*Reference::Parse("x"), amd64_);
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->manifest_digest, descriptor.digest);
  EXPECT_EQ(image->index_digest, std::nullopt);
}

TEST_F(CacheTest, FindsAnImageByItsDigestWithoutAName) {
  const Cache cache = OpenCache();
  const Descriptor descriptor = AddImage(cache, "amd64");
  const auto image = cache.Find(
      *Reference::Parse("any/name@" + descriptor.digest.text()), amd64_);
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->manifest_digest, descriptor.digest);
}

TEST_F(CacheTest, FollowsAnIndexToThePlatform) {
  const Cache cache = OpenCache();
  const Descriptor amd64 = AddImage(cache, "amd64");
  const Descriptor s390x = AddImage(cache, "s390x");
  const Descriptor index =
      AddIndex(cache, {{amd64, "amd64"}, {s390x, "s390x"}});
  ASSERT_TRUE(cache.SetName(kName, index));
  const auto image = cache.Find(*Reference::Parse("x"), s390x_);
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->manifest_digest, s390x.digest);
  EXPECT_EQ(image->published_digest(), index.digest);
}

TEST_F(CacheTest, FollowsIndexesWithinIndexesSoFar) {
  const Cache cache = OpenCache();
  Descriptor descriptor = AddImage(cache, "amd64");
  for (int i = 0; i < 4; ++i) descriptor = AddIndex(cache, {{descriptor, ""}});
  EXPECT_TRUE(cache.Load(descriptor, amd64_));
  descriptor = AddIndex(cache, {{descriptor, ""}});
  const auto deep = cache.Load(descriptor, amd64_);
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code(), ErrorCode::kCorrupt);
}

TEST_F(CacheTest, LetsTheConfigDecideWhereTheIndexTellsNoPlatform) {
  const Cache cache = OpenCache();
  const Descriptor index = AddIndex(cache, {{AddImage(cache, "amd64"), ""}});
  EXPECT_TRUE(cache.Load(index, amd64_));
  const auto other = cache.Load(index, s390x_);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(other.error().message(),
            "no image for platform linux/s390x; there is linux/amd64");
}

TEST_F(CacheTest, DoesNotFindAnImageWhoseConfigIsMissing) {
  const Cache cache = OpenCache();
  const Descriptor descriptor = AddImage(cache, "amd64");
  const auto image = cache.Load(descriptor, amd64_);
  ASSERT_TRUE(image);
  fs::remove(cache.BlobPath(image->manifest.config.digest));
  EXPECT_EQ(cache.Load(descriptor, amd64_).error().code(),
            ErrorCode::kNotFound);
}

TEST_F(CacheTest, RefusesAManifestOfAnotherSizeThanDescribed) {
  const Cache cache = OpenCache();
  Descriptor descriptor = AddImage(cache, "amd64");
  descriptor.size += 1;
  EXPECT_EQ(cache.Load(descriptor, amd64_).error().code(), ErrorCode::kCorrupt);
}

TEST_F(CacheTest, MovesATag) {
  const Cache cache = OpenCache();
  const Descriptor first = AddImage(cache, "amd64");
  const Descriptor second = AddImage(cache, "s390x");
  ASSERT_TRUE(cache.SetName(kName, first));
  ASSERT_TRUE(cache.SetName("other", first));
  ASSERT_TRUE(cache.SetName(kName, second));
  const auto list = cache.List();
  ASSERT_EQ(list->size(), 2u);
  EXPECT_EQ((*list)[0].name, kName);
  EXPECT_EQ((*list)[0].descriptor.digest, second.digest);
  EXPECT_EQ((*list)[1].name, "other");
}

TEST_F(CacheTest, NamesDockersDocumentsByOcisTypes) {
  const Cache cache = OpenCache();
  Descriptor descriptor = AddImage(cache, "amd64");
  descriptor.media_type = kDockerManifest;
  ASSERT_TRUE(cache.SetName(kName, descriptor));
  EXPECT_EQ(ReadIndexJson()["manifests"][0]["mediaType"], kOciManifest);
  descriptor.media_type = kDockerList;
  ASSERT_TRUE(cache.SetName(kName, descriptor));
  EXPECT_EQ(ReadIndexJson()["manifests"][0]["mediaType"], kOciIndex);
}

TEST_F(CacheTest, RemovesAName) {
  const Cache cache = OpenCache();
  ASSERT_TRUE(cache.SetName(kName, AddImage(cache, "amd64")));
  ASSERT_TRUE(cache.RemoveName(kName));
  EXPECT_THAT(*cache.List(), IsEmpty());
  EXPECT_TRUE(cache.RemoveName(kName));
}

TEST_F(CacheTest, KeepsWhatOtherToolsPutInTheIndex) {
  const Cache cache = OpenCache();
  const std::string digest = "sha256:" + std::string(64, '0');
  Write("index.json", R"({"schemaVersion":2,"theirs":[1,{"a":null}],
    "manifests":[{"mediaType":"application/x","digest":")" +
                          digest +
                          R"(","size":3,"unknown":true},
      {"mediaType":"application/x","digest":")" +
                          digest + R"(","size":4,
       "annotations":{"org.opencontainers.image.ref.name":"theirs","k":"v"}}]})");
  ASSERT_TRUE(cache.SetName(kName, AddImage(cache, "amd64")));
  const auto json = ReadIndexJson();
  EXPECT_EQ(json["theirs"].dump(), R"([1,{"a":null}])");
  ASSERT_EQ(json["manifests"].size(), 3u);
  EXPECT_EQ(json["manifests"][0]["unknown"], true);
  EXPECT_EQ(json["manifests"][1]["annotations"]["k"], "v");
}

TEST_F(CacheTest, TakesTheEmptyIndexThatGoProgramsWrite) {
  const Cache cache = OpenCache();
  Write("index.json", R"({"schemaVersion":2,"manifests":null})");
  EXPECT_THAT(*cache.List(), IsEmpty());
  ASSERT_TRUE(cache.SetName(kName, AddImage(cache, "amd64")));
  EXPECT_EQ(cache.List()->size(), 1u);
}

TEST_F(CacheTest, NamesTheIndexThatIsNoJson) {
  const Cache cache = OpenCache();
  Write("index.json", "{");
  for (const auto& error :
       {cache.List().error(),
        cache.SetName(kName, AddImage(cache, "amd64")).error()}) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_THAT(error.message(), HasSubstr(folder_ / "index.json"));
  }
}

TEST_F(CacheTest, LosesNoNameWhenManyAreSetAtOnce) {
  const Cache cache = OpenCache();
  const Descriptor descriptor = AddImage(cache, "amd64");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(cache.SetName(fmt::format("{}-{}", t, i), descriptor));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(cache.List()->size(), 20u);
}

class LayoutTest : public CacheTest {
 protected:
  void SetUp() override {
    CacheTest::SetUp();
    Cache theirs = *Cache::Open(folder_ / "layout");
    descriptor_ = AddImage(theirs, "amd64");
    fs::remove_all(folder_ / "layout" / "imgmount");
  }
  void WriteIndex(const std::vector<std::string>& names) const {
    nlohmann::json index = {{"schemaVersion", 2},
                            {"manifests", nlohmann::json::array()}};
    for (const std::string& name : names) {
      nlohmann::json entry = {{"mediaType", kOciManifest},
                              {"digest", descriptor_->digest.text()},
                              {"size", descriptor_->size}};
      if (!name.empty()) {
        entry["annotations"]["org.opencontainers.image.ref.name"] = name;
      }
      index["manifests"].push_back(entry);
    }
    Write("layout/index.json", index.dump());
  }
  Cache OpenLayout() const {
    return *Cache::Open(folder_ / "cache")->WithLayout(folder_ / "layout");
  }
  std::optional<Descriptor> descriptor_;
};

TEST_F(LayoutTest, IsReadWithoutBeingWritten) {
  WriteIndex({"latest"});
  const Cache cache = OpenLayout();
  EXPECT_TRUE(cache.Load(*cache.FindName("latest"), amd64_));
  ASSERT_TRUE(cache.SetName("other", *descriptor_));
  EXPECT_EQ(cache.List()->size(), 1u);
  EXPECT_FALSE(cache.WriteBlob("new"));
  EXPECT_FALSE(fs::exists(folder_ / "layout" / "imgmount"));
  EXPECT_EQ(cache.LayerFolder(descriptor_->digest).parent_path(),
            folder_ / "cache" / "imgmount" / "layers");
}

TEST_F(LayoutTest, NeedsNoNameForItsOnlyImage) {
  for (const char* name : {"", "v1"}) {
    WriteIndex({name});
    EXPECT_EQ(OpenLayout().FindName("")->digest, descriptor_->digest);
  }
}

TEST_F(LayoutTest, ListsWhatThereIsWhenTheNameIsNotThereOrNeeded) {
  WriteIndex({"v1", "v2"});
  const Cache cache = OpenLayout();
  EXPECT_THAT(cache.FindName("").error().message(),
              HasSubstr(R"(has several images, name one: "v1", "v2")"));
  EXPECT_THAT(cache.FindName("v3").error().message(),
              HasSubstr(R"(has no image "v3"; there is "v1", "v2")"));
  WriteIndex({});
  EXPECT_THAT(cache.FindName("").error().message(), HasSubstr("no images"));
  EXPECT_EQ(cache.FindName("").error().code(), ErrorCode::kNotFound);
}

TEST_F(LayoutTest, IsRecognisedByItsLayoutFile) {
  const Cache cache = OpenCache();
  EXPECT_EQ(cache.WithLayout(folder_ / "no").error().code(),
            ErrorCode::kNotFound);
  Write("layout/oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
  EXPECT_EQ(cache.WithLayout(folder_ / "layout").error().code(),
            ErrorCode::kUnsupported);
  Write("layout/oci-layout", "what");
  EXPECT_EQ(cache.WithLayout(folder_ / "layout").error().code(),
            ErrorCode::kCorrupt);
}

TEST(CacheFolder, IsWhereTheEnvironmentSays) {
  std::map<std::string, std::string> variables;
  const ToolIo io{
      .out = std::cout,
      .err = std::cerr,
      .env = [&](const std::string& name) -> std::optional<std::string> {
        const auto it = variables.find(name);
        if (it == variables.end()) return std::nullopt;
        return it->second;
      }};
  variables = {{"IMGMOUNT_CACHE", "/c"}, {"XDG_CACHE_HOME", "/x"}};
  EXPECT_EQ(Cache::DefaultFolder(io), "/c");
  variables.erase("IMGMOUNT_CACHE");
  EXPECT_EQ(Cache::DefaultFolder(io),
            ::geteuid() == 0 ? "/var/cache/imgmount" : "/x/imgmount");
}

}  // namespace
}  // namespace imgmount
