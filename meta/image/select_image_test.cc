// SPDX-License-Identifier: Apache-2.0
#include "meta/image/select_image.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/document_store.h"

namespace imgmount {
namespace {

using testing::DocumentStore;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kA = "sha256:" + std::string(64, 'a');
const std::string kB = "sha256:" + std::string(64, 'b');

const Platform kAmd64 = *Platform::Parse("linux/amd64");
const Platform kS390x = *Platform::Parse("linux/s390x");

std::string Entry(const std::string& digest, const std::string& rest) {
  return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":1{}}})",
                     kOciManifest, digest, rest);
}

std::string PlatformJson(const std::string& os, const std::string& architecture,
                         const std::string& variant = "") {
  return fmt::format(
      R"(,"platform":{{"os":"{}","architecture":"{}","variant":"{}"}})", os,
      architecture, variant);
}

Index IndexOf(const std::vector<std::string>& entries) {
  const auto parsed = ParseManifestOrIndex(
      fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})",
                  fmt::join(entries, ",")),
      "");
  EXPECT_TRUE(parsed) << parsed.error().message();
  return std::get<Index>(*parsed);
}

// The digest of the best candidate.
std::string First(const Index& index, const Platform& wanted) {
  const auto candidates = CandidatesFor(index, wanted);
  return candidates ? candidates->front().digest.text()
                    : candidates.error().message();
}

TEST(Index, GivesTheBestMatch) {
  const Index index = IndexOf({Entry(kA, PlatformJson("linux", "arm", "v6")),
                               Entry(kB, PlatformJson("linux", "arm", "v7"))});
  EXPECT_EQ(First(index, *Platform::Parse("linux/arm/v7")), kB);
  EXPECT_EQ(First(index, *Platform::Parse("linux/arm/v6")), kA);
}

TEST(Index, ListsItsPlatformsWhenNoneFits) {
  const Index index = IndexOf({Entry(kA, PlatformJson("linux", "arm64", "v8")),
                               Entry(kB, PlatformJson("windows", "amd64")),
                               Entry(kB, PlatformJson("unknown", "unknown"))});
  const auto selected = CandidatesFor(index, kS390x);
  ASSERT_FALSE(selected);
  EXPECT_EQ(selected.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(selected.error().message(),
            "no image for platform linux/s390x; there is linux/arm64/v8, "
            "windows/amd64");
}

TEST(Index, NeverGivesAnAttestationOrArtifact) {
  const std::string marks[] = {
      PlatformJson("unknown", "unknown"),
      PlatformJson("linux", "amd64") +
          R"(,"annotations":{"vnd.docker.reference.type":"attestation-manifest"})",
      PlatformJson("linux", "amd64") + R"(,"artifactType":"application/x")",
      R"(,"artifactType":"application/x")"};
  for (const std::string& mark : marks) {
    EXPECT_EQ(First(IndexOf({Entry(kA, mark)}), kAmd64),
              "the index lists no image, only artifacts");
    const Index both =
        IndexOf({Entry(kA, mark), Entry(kB, PlatformJson("linux", "amd64"))});
    EXPECT_EQ(First(both, kAmd64), kB);
  }
}

// image-spec's descriptor.md; go-containerregistry writes it.
TEST(Index, GivesAnImageThatNamesItsConfigsTypeAsItsArtifactType) {
  for (const char* type : {"application/vnd.oci.image.config.v1+json",
                           "application/vnd.docker.container.image.v1+json"}) {
    const std::string mark = fmt::format(R"(,"artifactType":"{}")", type);
    const Index index =
        IndexOf({Entry(kA, PlatformJson("linux", "arm64") + mark),
                 Entry(kB, PlatformJson("linux", "amd64") + mark)});
    EXPECT_EQ(First(index, kAmd64), kB);
  }
}

TEST(Index, GivesAnEntryWithoutPlatformLast) {
  const Index index =
      IndexOf({Entry(kA, ""), Entry(kB, PlatformJson("linux", "amd64"))});
  EXPECT_EQ(First(index, kAmd64), kB);
  const Index other =
      IndexOf({Entry(kA, ""), Entry(kB, PlatformJson("linux", "s390x"))});
  EXPECT_EQ(First(other, kAmd64), kA);
  EXPECT_EQ(First(IndexOf({Entry(kA, R"(,"platform":{})")}), kAmd64), kA)
      << "a platform of nothing is none";
}

// nydus lists its own images first, with a feature of its own.
TEST(Index, GivesWhatNeedsFeaturesAfterWhatNeedsNone) {
  const auto needing = [](const std::string& feature) {
    return fmt::format(
        R"(,"platform":{{"os":"linux","architecture":"amd64","os.features":["{}"]}})",
        feature);
  };
  const std::string plain = PlatformJson("linux", "amd64");
  EXPECT_EQ(First(IndexOf({Entry(kA, needing("nydus.remoteimage.v1")),
                           Entry(kB, plain)}),
                  kAmd64),
            kB);
  EXPECT_EQ(
      First(IndexOf({Entry(kA, needing("win32k")), Entry(kB, plain)}), kAmd64),
      kA);
  EXPECT_EQ(First(IndexOf({Entry(kA, needing("other"))}), kAmd64), kA);
}

TEST(Index, GivesTheWindowsVersionThatIsWantedElseTheFirst) {
  const auto windows = [](const std::string& version) {
    return fmt::format(
        R"(,"platform":{{"os":"windows","architecture":"amd64","os.version":"{}"}})",
        version);
  };
  const Index index = IndexOf(
      {Entry(kA, windows("10.0.20348.1")), Entry(kB, windows("10.0.17763.2"))});
  EXPECT_EQ(First(index, *Platform::Parse("windows/amd64")), kA);
  EXPECT_EQ(First(index, *Platform::Parse("windows(10.0.17763)/amd64")), kB);
  EXPECT_EQ(First(index, *Platform::Parse("windows(10.0.17763.2)/amd64")), kB);
  EXPECT_EQ(First(index, *Platform::Parse("windows(10.0.1)/amd64")),
            "no image for platform windows(10.0.1)/amd64; there is "
            "windows(10.0.20348.1)/amd64, windows(10.0.17763.2)/amd64");
}

class SelectImageTest : public ::testing::Test {
 protected:
  // The manifest of the image, or the error.
  std::string Selected(const Descriptor& top, const Platform& wanted) const {
    const auto image =
        SelectImage(store_.Document(top), wanted, store_.Reader());
    return image ? image->manifest_digest.text() : image.error().message();
  }
  static std::string On(const std::string& platform) {
    const size_t slash = platform.find('/');
    return PlatformJson(platform.substr(0, slash), platform.substr(slash + 1));
  }
  std::vector<std::string> Platforms(const Descriptor& top) const {
    std::vector<std::string> texts;
    const auto platforms = PlatformsOf(store_.Document(top), store_.Reader());
    if (!platforms) return {platforms.error().message()};
    for (const Platform& platform : *platforms)
      texts.push_back(platform.Text());
    return texts;
  }

  DocumentStore store_;
  const Descriptor amd64_ = store_.AddImage("linux/amd64");
  const Descriptor s390x_ = store_.AddImage("linux/s390x");
  const Descriptor silent_ = store_.AddImage("");
};

TEST_F(SelectImageTest, TakesAManifestWhateverItsPlatform) {
  EXPECT_EQ(Selected(amd64_, kS390x), amd64_.digest.text());
  const auto image =
      SelectImage(store_.Document(amd64_), kS390x, store_.Reader());
  EXPECT_EQ(image->index_digest, std::nullopt);
}

TEST_F(SelectImageTest, NamesTheIndexThatItIsFrom) {
  const Descriptor inner =
      store_.AddIndex({store_.Entry(s390x_, On("linux/s390x"))});
  const Descriptor top = store_.AddIndex(
      {store_.Entry(amd64_, On("linux/amd64")), store_.Entry(inner)});
  const auto image = SelectImage(store_.Document(top), kS390x, store_.Reader());
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->manifest_digest, s390x_.digest);
  EXPECT_EQ(image->index_digest, top.digest);
}

TEST_F(SelectImageTest, AsksTheConfigsWhereTheIndexTellsNoPlatform) {
  const Descriptor index =
      store_.AddIndex({store_.Entry(s390x_), store_.Entry(amd64_)});
  EXPECT_EQ(Selected(index, kAmd64), amd64_.digest.text());
  EXPECT_EQ(Selected(index, kS390x), s390x_.digest.text());
  EXPECT_EQ(Selected(index, *Platform::Parse("linux/arm64")),
            "no image for platform linux/arm64; there is linux/s390x, "
            "linux/amd64");
  EXPECT_THAT(Platforms(index), ElementsAre("linux/s390x", "linux/amd64"));
  const Descriptor with_silent =
      store_.AddIndex({store_.Entry(silent_), store_.Entry(amd64_)});
  EXPECT_EQ(Selected(with_silent, kAmd64), amd64_.digest.text());
  EXPECT_EQ(Selected(with_silent, kS390x), silent_.digest.text())
      << "nothing speaks against it";
}

TEST_F(SelectImageTest, PassesOverWhatTurnsOutToBeNoImage) {
  const Descriptor signature =
      store_.AddImage("linux/amd64", "application/vnd.in-toto+json");
  const Descriptor chart =
      store_.AddImage("linux/amd64", "application/vnd.oci.image.layer.v1.tar",
                      "application/vnd.cncf.helm.config.v1+json");
  for (const Descriptor& other : {signature, chart}) {
    for (const std::string& mark : {std::string(), On("linux/amd64")}) {
      EXPECT_EQ(Selected(store_.AddIndex({store_.Entry(other, mark),
                                          store_.Entry(amd64_, mark)}),
                         kAmd64),
                amd64_.digest.text());
      const auto alone = SelectImage(
          store_.Document(store_.AddIndex({store_.Entry(other, mark)})), kAmd64,
          store_.Reader());
      ASSERT_FALSE(alone);
      EXPECT_EQ(alone.error().code(), ErrorCode::kUnsupported);
    }
  }
}

TEST_F(SelectImageTest, SaysWhatAPartialCopyLacks) {
  const Descriptor index =
      store_.AddIndex({store_.Entry(amd64_, On("linux/amd64")),
                       store_.Entry(s390x_, On("linux/s390x"))});
  store_.Remove(s390x_.digest);
  EXPECT_EQ(Selected(index, kAmd64), amd64_.digest.text());
  EXPECT_THAT(Selected(index, kS390x), HasSubstr(s390x_.digest.text()));
  EXPECT_THAT(Platforms(index), ElementsAre("linux/amd64", "linux/s390x"));
}

TEST_F(SelectImageTest, HoldsDocumentsToTheirSizes) {
  const auto corrupt = [&](const Descriptor& top) {
    const auto image =
        SelectImage(store_.Document(top), kAmd64, store_.Reader());
    EXPECT_FALSE(image);
    if (image) return std::string();
    EXPECT_EQ(image.error().code(), ErrorCode::kCorrupt);
    return image.error().message();
  };
  for (const uint64_t size : {amd64_.size + 1, uint64_t{0}}) {
    Descriptor wrong = amd64_;
    wrong.size = size;
    for (const std::string& mark : {std::string(), On("linux/amd64")}) {
      EXPECT_THAT(corrupt(store_.AddIndex({store_.Entry(wrong, mark)})),
                  HasSubstr(fmt::format("has {} bytes, its descriptor says {}",
                                        amd64_.size, size)));
    }
  }
  std::string manifest = store_.Document(amd64_).bytes;
  const size_t at = manifest.find("\"size\":") + 7;
  manifest.insert(at, "1");
  EXPECT_THAT(corrupt(store_.Add(manifest, kOciManifest)),
              HasSubstr("its descriptor says 1"));
}

TEST_F(SelectImageTest, ReadsOnlySoManyEntries) {
  std::vector<std::string> entries(1000, store_.Entry(s390x_));
  const auto image = SelectImage(store_.Document(store_.AddIndex(entries)),
                                 kAmd64, store_.Reader());
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace imgmount
