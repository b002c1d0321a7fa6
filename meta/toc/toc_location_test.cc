// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_location.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "meta/base/wire.h"

namespace imgmount {
namespace {

using ::testing::HasSubstr;

constexpr char kDigest[] =
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr char kOther[] =
    "sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
constexpr uint64_t kBlobSize = 10'000;
const std::string kOld = "io.containers.zstd-chunked.";
const std::string kNew = "io.github.containers.zstd-chunked.";
const std::string kJson = "containerd.io/snapshot/stargz/toc.digest";

Result<std::optional<TocClaim>> Find(
    std::map<std::string, std::string> annotations) {
  return FindToc({.media_type = "",
                  .digest = *Digest::Parse(kDigest),
                  .size = kBlobSize,
                  .annotations = std::move(annotations)});
}

TEST(FindToc, KnowsLayersWithoutOne) {
  EXPECT_EQ(Find({})->has_value(), false);
  EXPECT_EQ(
      Find({{"a", "b"}, {kNew + "manifest-position", "8:1:1:1"}})->has_value(),
      false);
}

TEST(FindToc, TakesEstargzWithoutItsPlace) {
  const auto claim = Find({{kJson, kDigest}});
  ASSERT_TRUE(claim && *claim);
  EXPECT_EQ((*claim)->digests.json->text(), kDigest);
  EXPECT_FALSE((*claim)->digests.compressed);
  EXPECT_FALSE((*claim)->location);
}

TEST(FindToc, TakesZstdChunkedOfAllGenerations) {
  for (const std::string& prefix : {kOld, kNew}) {
    const auto claim = Find({{prefix + "manifest-checksum", kDigest},
                             {prefix + "manifest-position", "5000:60:700:1"}});
    ASSERT_TRUE(claim && *claim);
    EXPECT_EQ((*claim)->digests.compressed->text(), kDigest);
    ASSERT_TRUE((*claim)->location);
    const TocLocation& where = *(*claim)->location;
    EXPECT_EQ(where.encoding, TocEncoding::kZstd);
    EXPECT_EQ(where.offset, 5000u);
    EXPECT_EQ(where.length, 60u);
    EXPECT_EQ(where.data_end, 4992u);
    EXPECT_EQ(where.json_size, 700u);
  }
  EXPECT_FALSE((**Find({{kOld + "manifest-checksum", kDigest}})).location);
}

TEST(FindToc, TakesStargzDialectWithBothDigests) {
  const auto claim = Find({{kOld + "manifest-checksum", kDigest},
                           {kOld + "manifest-position", "5000:60:700:1"},
                           {kJson, kOther}});
  ASSERT_TRUE(claim && *claim);
  EXPECT_EQ((*claim)->digests.compressed->text(), kDigest);
  EXPECT_EQ((*claim)->digests.json->text(), kOther);
}

TEST(FindToc, PrefersTheNewerKeys) {
  const auto claim = Find({{kOld + "manifest-checksum", kDigest},
                           {kNew + "manifest-checksum", kOther}});
  EXPECT_EQ((*claim)->digests.compressed->text(), kOther);
}

TEST(FindToc, RefusesWhatMakesNoSense) {
  EXPECT_EQ(Find({{kJson, "sha256:12"}}).error().code(), ErrorCode::kCorrupt);
  for (const char* position :
       {"", "5000", "5000:60:700", "5000:60:700:", "5000:60:700:1:", ":::",
        "5000:60:700:1 ", "-1:60:700:1", "0x10:60:700:1", "7:60:700:1",
        "9990:60:700:1", "5000:0:700:1", "18446744073709551615:60:700:1",
        "5000:18446744073709551615:700:1", "18446744073709551616:60:700:1"}) {
    const auto claim = Find({{kNew + "manifest-checksum", kDigest},
                             {kNew + "manifest-position", position}});
    ASSERT_FALSE(claim) << position;
    EXPECT_EQ(claim.error().code(), ErrorCode::kCorrupt) << position;
  }
  EXPECT_EQ(Find({{kNew + "manifest-checksum", kDigest},
                  {kNew + "manifest-position", "5000:60:700:2"}})
                .error()
                .code(),
            ErrorCode::kUnsupported);
}

TEST(FindToc, RefusesOneThatIsTooLarge) {
  const auto claim = FindToc(
      {.media_type = "",
       .digest = *Digest::Parse(kDigest),
       .size = uint64_t{1} << 40,
       .annotations = {{kNew + "manifest-checksum", kDigest},
                       {kNew + "manifest-position", "8:157286401:1:1"}}});
  ASSERT_FALSE(claim);
  EXPECT_EQ(claim.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(claim.error().message(), HasSubstr("157286401 bytes"));
}

TEST(TocIdentity, IsOfTheLayerAndOfWhatVouchesForItsToc) {
  const Digest a = *Digest::Parse(kDigest);
  const Digest b = *Digest::Parse(kOther);
  const std::set<std::string> identities = {
      TocIdentity(a, {a, {}}).text(), TocIdentity(b, {a, {}}).text(),
      TocIdentity(a, {b, {}}).text(), TocIdentity(a, {{}, a}).text(),
      TocIdentity(a, {a, a}).text(),  TocIdentity(a, {a, b}).text()};
  EXPECT_EQ(identities.size(), 6u);
  EXPECT_EQ(TocIdentity(a, {a, {}}), TocIdentity(a, {a, {}}));
}

Result<TocLocation> Parse(const std::string& footer,
                          uint64_t blob_size = kBlobSize) {
  const std::string tail = std::string(kTocFooterBytes, 'x') + footer;
  return ParseTocFooter(std::as_bytes(std::span(tail)).last(kTocFooterBytes),
                        blob_size);
}

std::string GzipFooter(const std::string& extra) {
  std::string footer("\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10);
  footer += static_cast<char>(extra.size());
  return footer + '\0' + extra +
         std::string("\x01\0\0\xff\xff\0\0\0\0\0\0\0\0", 13);
}
std::string Estargz(const std::string& offset) {
  return GzipFooter(std::string("SG\x16\0", 4) + offset + "STARGZ");
}

TEST(ParseTocFooter, ReadsEstargz) {
  const auto where = Parse(Estargz("0000000000001f40"));
  ASSERT_TRUE(where) << where.error().message();
  EXPECT_EQ(where->encoding, TocEncoding::kGzip);
  EXPECT_EQ(where->offset, 8000u);
  EXPECT_EQ(where->length, kBlobSize - 8000 - 51);
  EXPECT_EQ(where->data_end, 8000u);
  EXPECT_FALSE(where->json_size);
}

TEST(ParseTocFooter, ReadsStargz) {
  const auto where = Parse(GzipFooter("0000000000001f40STARGZ"));
  ASSERT_TRUE(where) << where.error().message();
  EXPECT_EQ(where->offset, 8000u);
  EXPECT_EQ(where->length, kBlobSize - 8000 - 47);
}

TEST(ParseTocFooter, SaysThatATocIsElsewhere) {
  const auto where =
      Parse(GzipFooter(std::string("SG\x11\0", 4) + "STARGZEXTERNALTOC"));
  ASSERT_FALSE(where);
  EXPECT_EQ(where.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(where.error().message(), HasSubstr("image of its own"));
}

// A skippable frame of `size` bytes with its magic at `magic_at`.
std::string ZstdFooter(size_t size, size_t magic_at, const char* magic,
                       uint64_t type = 1) {
  std::string frame("\x50\x2a\x4d\x18", 4);
  AppendWire(frame, static_cast<uint32_t>(size));
  std::string body;
  for (const uint64_t value :
       {uint64_t{5000}, uint64_t{60}, uint64_t{700}, type}) {
    AppendWire(body, value);
  }
  body.resize(size);
  body.replace(magic_at, 8, magic);
  return frame + body;
}

TEST(ParseTocFooter, ReadsZstdChunkedOfAllGenerations) {
  for (const std::string& footer :
       {ZstdFooter(40, 32, "GnUlInUx"), ZstdFooter(56, 32, "GnUlInUx"),
        ZstdFooter(64, 56, "GNUlInUx")}) {
    const auto where = Parse(footer);
    ASSERT_TRUE(where) << where.error().message();
    EXPECT_EQ(where->encoding, TocEncoding::kZstd);
    EXPECT_EQ(where->offset, 5000u);
    EXPECT_EQ(where->length, 60u);
    EXPECT_EQ(where->data_end, 4992u);
    EXPECT_EQ(where->json_size, 700u);
  }
}

TEST(ParseTocFooter, RefusesAnythingElse) {
  for (const std::string& footer :
       {std::string(), std::string("a"), Estargz("000000000000zf40"),
        Estargz("00000000000 1f40"), Estargz("0000000000001f40") + "x",
        GzipFooter("0000000000001f40STARGY"), ZstdFooter(40, 32, "GNUlInUx"),
        ZstdFooter(64, 56, "GnUlInUx"), ZstdFooter(64, 56, "GNUlInUx", 2)}) {
    const auto where = Parse(footer);
    ASSERT_FALSE(where) << footer;
    EXPECT_EQ(where.error().code(), ErrorCode::kUnsupported);
  }
  for (const std::string& footer :
       {Estargz("00000000ffffffff"), Estargz("ffffffffffffffff"),
        Estargz("00000000000026dd")}) {  // the footer's own offset
    EXPECT_EQ(Parse(footer).error().code(), ErrorCode::kCorrupt);
  }
  EXPECT_FALSE(ParseTocFooter({}, 0));
  const std::string small = Estargz("0000000000000000");
  EXPECT_EQ(ParseTocFooter(std::as_bytes(std::span(small)), small.size())
                .error()
                .code(),
            ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace imgmount
