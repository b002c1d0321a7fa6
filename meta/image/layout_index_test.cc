// SPDX-License-Identifier: Apache-2.0
#include "meta/image/layout_index.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/document_store.h"

namespace imgmount {
namespace {

using testing::DocumentStore;
using ::testing::HasSubstr;

const Platform kAmd64 = *Platform::Parse("linux/amd64");
const Platform kArm64 = *Platform::Parse("linux/arm64");

Descriptor Named(Descriptor descriptor, const std::string& name) {
  descriptor.annotations[kRefNameAnnotation] = name;
  return descriptor;
}
Descriptor On(Descriptor descriptor, const Platform& platform) {
  descriptor.platform = platform;
  return descriptor;
}

class LayoutIndexTest : public ::testing::Test {
 protected:
  using Entries = std::vector<Descriptor>;

  // The manifest that a selector and a platform give, or the error.
  std::string Found(const Entries& entries, std::string_view selector,
                    const Platform& platform = kAmd64) const {
    const auto document =
        FindLayoutDocument(entries, selector, store_.Reader());
    if (!document) return document.error().message();
    const auto image = SelectImage(*document, platform, store_.Reader());
    return image ? image->manifest_digest.text() : image.error().message();
  }
  size_t ImageCount(const Entries& entries) const {
    return ImagesOfLayout(entries, store_.Reader())->size();
  }

  DocumentStore store_;
  const Descriptor amd64_ = store_.AddImage("linux/amd64");
  const Descriptor arm64_ = store_.AddImage("linux/arm64");
  const std::string amd64_digest_ = amd64_.digest.text();
  const std::string arm64_digest_ = arm64_.digest.text();
};

TEST_F(LayoutIndexTest, NamesAreExact) {
  const Entries entries = {Named(arm64_, "a"), Named(amd64_, "b")};
  EXPECT_EQ(Found(entries, "a"), arm64_digest_)
      << "one entry is taken whatever its platform, as skopeo does";
  EXPECT_EQ(Found(entries, "b"), amd64_digest_);
  EXPECT_EQ(Found(entries, amd64_digest_), amd64_digest_);
  EXPECT_EQ(Found(entries, "@0"), arm64_digest_);
  EXPECT_EQ(Found(entries, ""), R"(has several images, name one: "a", "b")");
  EXPECT_EQ(Found(entries, "c"), R"(has no image "c"; there is "a", "b")");
  EXPECT_EQ(Found(entries, "@2"), R"(has no image "@2"; there is "a", "b")");
  EXPECT_EQ(Found({}, ""), "has no images");
}

TEST_F(LayoutIndexTest, ANameThatStandsTwiceIsChosenFromByPlatform) {
  for (const bool marked : {true, false}) {
    const Entries entries = {Named(marked ? On(arm64_, kArm64) : arm64_, "t"),
                             Named(marked ? On(amd64_, kAmd64) : amd64_, "t")};
    for (const char* selector : {"", "t"}) {
      EXPECT_EQ(Found(entries, selector), amd64_digest_);
      EXPECT_EQ(Found(entries, selector, kArm64), arm64_digest_);
      EXPECT_EQ(Found(entries, selector, *Platform::Parse("linux/s390x")),
                "no image for platform linux/s390x; there is linux/arm64, "
                "linux/amd64");
    }
    EXPECT_EQ(ImageCount(entries), 1u);
  }
}

TEST_F(LayoutIndexTest, EntriesWithoutNamesAreOneImageForSeveralPlatforms) {
  EXPECT_EQ(Found({On(arm64_, kArm64), On(amd64_, kAmd64)}, ""), amd64_digest_);
  EXPECT_EQ(Found({arm64_, amd64_}, ""), amd64_digest_)
      << "their configs tell the platforms";
  const Descriptor other = store_.AddImage(
      "linux/amd64", "application/vnd.oci.image.layer.v1.tar+gzip");
  EXPECT_EQ(Found({amd64_, other}, ""),
            fmt::format("has several images, name one: {}, {}", amd64_digest_,
                        other.digest.text()));
  EXPECT_EQ(Found({amd64_, other}, other.digest.text()), other.digest.text());
}

TEST_F(LayoutIndexTest, WhatIsNoImageIsNoChoice) {
  Descriptor sbom = store_.Add("{}", kOciManifest);
  sbom.artifact_type = "application/spdx+json";
  Descriptor attestation =
      store_.AddImage("unknown/unknown", "application/vnd.in-toto+json");
  attestation.platform = Platform{"unknown", "unknown", "", ""};
  const Descriptor xml = store_.Add("<a/>", "application/xml");
  // cosign's signatures say only in their layers what they are.
  const Descriptor signature =
      Named(store_.AddImage("linux/amd64",
                            "application/vnd.dev.cosign.simplesigning.v1+json"),
            "_cosign:sha256-1.sig");
  const Descriptor chart =
      store_.AddImage("", "application/vnd.oci.image.layer.v1.tar",
                      "application/vnd.cncf.helm.config.v1+json");
  const Descriptor referrers = Named(
      store_.AddIndex(
          {store_.Entry(sbom, R"(,"artifactType":"application/spdx+json")")}),
      "sha256-2");
  for (const Descriptor& other :
       {sbom, attestation, xml, signature, chart, referrers}) {
    for (const Descriptor& image : {amd64_, Named(amd64_, "app:1")}) {
      EXPECT_EQ(Found({other, image}, ""), amd64_digest_);
      EXPECT_EQ(ImageCount({image, other}), 1u);
    }
  }
  EXPECT_THAT(Found({Named(amd64_, "app:1"), signature}, RefName(signature)),
              HasSubstr("unknown media type"))
      << "who names it is told what it is";
}

TEST_F(LayoutIndexTest, EntriesOfAnIndexBesideItAreNoImagesOfTheirOwn) {
  const Descriptor index =
      Named(store_.AddIndex({store_.Entry(amd64_), store_.Entry(arm64_)}), "t");
  EXPECT_EQ(Found({index, amd64_, arm64_}, ""), amd64_digest_);
}

TEST_F(LayoutIndexTest, FullNamesTellEqualTagsApart) {
  Descriptor a = Named(amd64_, "latest");
  a.annotations[kContainerdNameAnnotation] = "docker.io/library/a:latest";
  Descriptor b = Named(arm64_, "latest");
  b.annotations[kContainerdNameAnnotation] = "docker.io/library/b:latest";
  const std::string several =
      R"(has several images, name one: "docker.io/library/a:latest", )"
      R"("docker.io/library/b:latest")";
  EXPECT_EQ(Found({a, b}, ""), several);
  EXPECT_EQ(Found({a, b}, "latest"), several);
  EXPECT_EQ(Found({a, b}, "docker.io/library/b:latest"), arm64_digest_);
  EXPECT_EQ(Found({a}, "latest"), amd64_digest_);
}

TEST_F(LayoutIndexTest, WhatIsOfferedCanBeWritten) {
  const Entries entries = {Named(amd64_, "app@1"), Named(arm64_, "app")};
  EXPECT_EQ(
      Found(entries, ""),
      fmt::format(R"(has several images, name one: {}, "app")", amd64_digest_))
      << "app@1 is layer 1 of app";
  EXPECT_EQ(Found(entries, "app@1"), amd64_digest_);
}

TEST_F(LayoutIndexTest, ManyChoicesStandOneOnALine) {
  const Entries entries = {Named(amd64_, "a"), Named(amd64_, "b"),
                           Named(amd64_, "c"), Named(amd64_, "d")};
  EXPECT_EQ(
      Found(entries, ""),
      "has several images, name one:\n  \"a\"\n  \"b\"\n  \"c\"\n  \"d\"");
}

TEST_F(LayoutIndexTest, SizesBind) {
  Descriptor wrong = Named(amd64_, "t");
  ++wrong.size;
  for (const std::string& selector : {std::string("t"), amd64_digest_}) {
    const auto document =
        FindLayoutDocument(Entries{wrong}, selector, store_.Reader());
    ASSERT_FALSE(document);
    EXPECT_EQ(document.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(document.error().message(), HasSubstr("its descriptor says"));
  }
}

TEST_F(LayoutIndexTest, DigestsBelowTheEntriesCanBeNamedToo) {
  const Descriptor index =
      Named(store_.AddIndex({store_.Entry(amd64_), store_.Entry(arm64_)}), "t");
  EXPECT_EQ(Found({index}, arm64_digest_), arm64_digest_);
  EXPECT_THAT(Found({index}, "sha256:" + std::string(64, 'a')),
              HasSubstr("there is no"));
}

}  // namespace
}  // namespace imgmount
