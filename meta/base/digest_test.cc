// SPDX-License-Identifier: Apache-2.0
#include "meta/base/digest.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

// FIPS 180-2, appendix B.1.
constexpr char kAbc[] =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(DigestTest, HashesTheStandardVector) {
  EXPECT_EQ(DigestOf("abc").text(), kAbc);
  Hasher hasher;
  hasher.Update("a");
  hasher.Update("bc");
  EXPECT_EQ(hasher.FinishDigest().text(), kAbc);
}

TEST(DigestTest, ParsesWhatItPrints) {
  auto digest = Digest::Parse(kAbc);
  ASSERT_TRUE(digest);
  EXPECT_EQ(digest->text(), kAbc);
  EXPECT_EQ(digest->short_hex(), "ba7816bf8f01");
}

TEST(DigestTest, RefusesMalformedText) {
  const std::string hex(64, 'a');
  for (const std::string& bad :
       {std::string(), std::string("sha256"), std::string("sha256:"),
        "sha256:" + hex.substr(1), "sha256:" + hex + "a",
        "sha256:" + std::string(64, 'A'), "sha256:" + std::string(64, 'g'),
        "sha1:" + hex.substr(0, 40), "sha512:" + hex, "sha256:../" + hex}) {
    EXPECT_FALSE(Digest::Parse(bad)) << bad;
  }
}

TEST(DigestTest, ChainIdOfOneLayerIsItsDiffId) {
  auto diff_id = DiffId::Parse(kAbc);
  ChainId first = ExtendChain(nullptr, *diff_id);
  EXPECT_EQ(first.text(), kAbc);
  // sha256("<chain> <diff id>"), as coreutils' sha256sum computes it.
  EXPECT_EQ(ExtendChain(&first, *diff_id).text(),
            DigestOf(std::string(kAbc) + " " + kAbc).text());
}

}  // namespace
}  // namespace imgmount
