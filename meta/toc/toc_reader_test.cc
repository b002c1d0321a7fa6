// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_reader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using testing::Gzip;
using ::testing::HasSubstr;
using testing::TarBuilder;
using testing::Zstd;

constexpr uint64_t kDataEnd = 1000;
const std::string kEntry =
    R"({"name":"a","type":"reg","size":3,"offset":10,"digest":"sha256:)" +
    std::string(64, 'a') + R"("})";

std::string Json(const std::string& entries) {
  return R"({"version":1,"entries":[)" + entries + "]}";
}

struct Input {
  std::string bytes;
  TocDigests digests;
  TocEncoding encoding;
  std::optional<uint64_t> json_size = {};
  uint64_t length = bytes.size();
  size_t step = 50;
};

Result<Toc> Read(const Input& in) {
  auto left = std::as_bytes(std::span(in.bytes));
  return ReadToc(
      in.digests,
      {in.encoding, kDataEnd + 8, in.length, kDataEnd, in.json_size}, [&] {
        const auto piece = left.first(std::min(in.step, left.size()));
        left = left.subspan(piece.size());
        return piece;
      });
}

Input ZstdToc(const std::string& json) {
  const std::string bytes = Zstd(json);
  return {bytes,
          {DigestOf(json), DigestOf(bytes)},
          TocEncoding::kZstd,
          json.size()};
}
Input GzipToc(const std::string& json,
              const std::string& name = "stargz.index.json") {
  return {Gzip(TarBuilder().File(name, json).Mode(0).Build()),
          {DigestOf(json), {}},
          TocEncoding::kGzip};
}

std::string DumpOf(const Input& in) {
  const auto toc = Read(in);
  return toc ? toc->index.Dump() : toc.error().message();
}

TEST(ReadToc, ReadsZstdChunked) {
  Input in = ZstdToc(Json(kEntry));
  EXPECT_EQ(DumpOf(in), "file 0000 0:0 3 0.000000000 a 0+3@0\n");
  in.digests.json.reset();
  in.json_size.reset();
  EXPECT_EQ(DumpOf(in), "file 0000 0:0 3 0.000000000 a 0+3@0\n");
  in.step = 1;
  EXPECT_EQ(DumpOf(in), "file 0000 0:0 3 0.000000000 a 0+3@0\n");
}

TEST(ReadToc, ShowsTheTocOfEstargzAsAFile) {
  const std::string json = Json(kEntry);
  const auto toc = Read(GzipToc(json));
  ASSERT_TRUE(toc) << toc.error().message();
  EXPECT_EQ(toc->index.Dump(),
            "file 0000 0:0 3 0.000000000 a 0+3@0\n"
            "file 0000 0:0 " +
                std::to_string(json.size()) +
                " 0.000000000 stargz.index.json 0+" +
                std::to_string(json.size()) + "@3\n");
  ASSERT_EQ(toc->chunks.size(), 2u);
  EXPECT_EQ(toc->chunks[0].in_length, kDataEnd - 10);
  EXPECT_EQ(toc->chunks[1].skip, 512u);
  EXPECT_EQ(toc->chunks[1].in_offset, kDataEnd + 8);
  EXPECT_EQ(toc->chunks[1].sha256, Sha256(std::as_bytes(std::span(json))));
}

TEST(ReadToc, CutsALargeTocIntoPieces) {
  std::string spaces(1000, ' ');
  spaces.back() = '\n';
  std::string json = R"({"version":1, "entries":[)";
  // Every million of white space there is a value.
  while (json.size() < (40 << 20)) {
    for (int i = 0; i < 1000; ++i) json += spaces;
    json += R"({"name":"d","type":"dir"},)";
  }
  json += kEntry + "]}";
  const auto toc = Read([&] {
    Input in = GzipToc(json);
    in.step = 100'000;
    return in;
  }());
  ASSERT_TRUE(toc) << toc.error().message();
  ASSERT_EQ(toc->chunks.size(), 4u);
  EXPECT_EQ(toc->chunks[2].skip, 512 + kMaxSpanBytes);
  EXPECT_EQ(toc->chunks[2].length, kMaxSpanBytes);
  EXPECT_EQ(toc->chunks[2].sha256,
            Sha256(std::as_bytes(std::span(json))
                       .subspan(kMaxSpanBytes, kMaxSpanBytes)));
  EXPECT_EQ(toc->chunks[3].length, json.size() - 2 * kMaxSpanBytes);
}

TEST(ReadToc, TakesAnyOrderAndPassesOverTheRest) {
  EXPECT_EQ(
      DumpOf(ZstdToc(R"({"x":{"y":[1,{"z":null}]},"entries":[)"
                     R"({"type":"dir","NumLink":0,"name":"d",)"
                     R"("xattrs":{"user.a":"YQ=="},"mode":493,"uid":null,)"
                     R"("more":[[{}]],"size":0}],"version":1,"t":1.5})")),
      "dir 0755 0:0 0 0.000000000 d user.a=61\n");
  EXPECT_EQ(DumpOf(ZstdToc(R"({"version":1,"entries":null})")), "");
  EXPECT_EQ(DumpOf(ZstdToc(R"( {"version":1} )")), "");
}

TEST(ReadToc, SaysThatADigestIsWrongBeforeAllElse) {
  const Digest other = DigestOf("other");
  for (const bool compressed : {false, true}) {
    for (const std::string& json : {Json(kEntry), std::string("{"),
                                    Json(R"({"name":"a","type":"chunk"})")}) {
      Input in = ZstdToc(json);
      (compressed ? in.digests.compressed : in.digests.json) = other;
      const auto toc = Read(in);
      ASSERT_FALSE(toc);
      EXPECT_EQ(toc.error().code(), ErrorCode::kCorrupt);
      EXPECT_THAT(toc.error().message(),
                  HasSubstr("wrong digest: expected " + other.text()));
    }
  }
  Input in = GzipToc(Json(kEntry));
  in.digests.json = other;
  EXPECT_THAT(DumpOf(in), HasSubstr("wrong digest"));
}

TEST(ReadToc, RefusesWhatIsCutShortOrTooLong) {
  for (const Input& right : {ZstdToc(Json(kEntry)), GzipToc(Json(kEntry))}) {
    Input in = right;
    in.bytes.resize(in.bytes.size() / 2);
    EXPECT_EQ(Read(in).error().code(), ErrorCode::kCorrupt) << DumpOf(in);
    in.bytes.clear();
    EXPECT_THAT(DumpOf(in), HasSubstr("cut short"));
  }
  Input in = ZstdToc(Json(kEntry));
  in.digests = {{}, in.digests.compressed};
  in.json_size = *in.json_size + 1;
  EXPECT_THAT(DumpOf(in), HasSubstr("another size"));
  // Bytes after the TOC in the blob are not looked at.
  in = ZstdToc(Json(kEntry));
  in.bytes += "more";
  EXPECT_TRUE(Read(in)) << DumpOf(in);
}

TEST(ReadToc, RefusesDamagedData) {
  Input in = ZstdToc(Json(kEntry));
  in.bytes = "no zstd";
  in.digests = {{}, DigestOf(in.bytes)};
  in.length = in.bytes.size();
  EXPECT_THAT(DumpOf(in), HasSubstr("damaged zstd data"));
  in = GzipToc(Json(kEntry));
  in.bytes = "no gzip";
  EXPECT_EQ(Read(in).error().code(), ErrorCode::kCorrupt);
}

TEST(ReadToc, RefusesAnotherTarThanEstargz) {
  const auto toc = Read(GzipToc(Json(kEntry), "other.json"));
  ASSERT_FALSE(toc);
  EXPECT_EQ(toc.error().code(), ErrorCode::kUnsupported);
  Input in = GzipToc(Json(kEntry));
  in.bytes = Gzip(std::string(1024, '\0'));
  EXPECT_FALSE(Read(in));
}

TEST(ReadToc, RefusesWhatIsNoToc) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "not valid JSON"},
      {"{", "not valid JSON"},
      {"[]", "wrong kind"},
      {"1", "wrong kind"},
      {R"({"version":1}x)", "not valid JSON"},
      {R"({"version":1,"entries":{}})", "wrong kind"},
      {R"({"version":1,"entries":1})", "wrong kind"},
      {R"({"version":1,"entries":[1]})", "wrong kind"},
      {R"({"version":1,"entries":[[]]})", "wrong kind"},
      {R"({"version":1,"entries":[null]})", "null"},
      {R"({"version":1,"entries":[],"entries":[]})", "entries twice"},
      {R"({"version":"1"})", "wrong kind"},
      {R"({"version":1,"entries":[{"name":"n","size":"1"}]})",
       "\"n\": a value of the wrong kind"},
      {R"({"version":1,"entries":[{"size":1.5}]})", "wrong kind"},
      {R"({"version":1,"entries":[{"size":1e3}]})", "wrong kind"},
      {R"({"version":1,"entries":[{"size":9223372036854775808}]})",
       "wrong kind"},
      {R"({"version":1,"entries":[{"name":1}]})", "wrong kind"},
      {R"({"version":1,"entries":[{"name":["a"]}]})", "wrong kind"},
      {R"({"version":1,"entries":[{"xattrs":[]}]})", "wrong kind"},
      {R"({"version":1,"entries":[{"xattrs":{"a":1}}]})", "wrong kind"},
      {R"({"version":1,"entries":[{"xattrs":{"a":{}}}]})", "wrong kind"},
      {"{\"version\":1,\"entries\":[{\"name\":\"\xff\"}]}", "not valid JSON"},
      {R"({"version":1,"entries":[{"name":"\ud800"}]})", "not valid JSON"},
  };
  for (const auto& [json, what] : cases) {
    const auto toc = Read(ZstdToc(json));
    ASSERT_FALSE(toc) << json;
    EXPECT_EQ(toc.error().code(), ErrorCode::kCorrupt) << json;
    EXPECT_THAT(toc.error().message(), HasSubstr(what)) << json;
  }
  const std::string with_nul("{\"version\":1}\0{}", 16);
  EXPECT_THAT(DumpOf(ZstdToc(with_nul)), HasSubstr("goes on after its end"));
  for (const char* json : {"{}", R"({"version":2})"}) {
    EXPECT_EQ(Read(ZstdToc(json)).error().code(), ErrorCode::kUnsupported);
  }
}

TEST(ReadToc, RefusesNestingWithoutEnd) {
  const std::string open(100'000, '[');
  EXPECT_THAT(DumpOf(ZstdToc(R"({"version":1,"x":)" + open)),
              HasSubstr("nested too deep"));
}

TEST(ReadToc, RefusesTextsWithoutEnd) {
  for (const char* start : {R"({"version":1,"x":")", R"({"version":1,")",
                            R"({"version":1,"entries":[{"name":")"}) {
    const auto toc = Read(ZstdToc(start + std::string(3 << 20, '1')));
    ASSERT_FALSE(toc);
    EXPECT_EQ(toc.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(toc.error().message(), HasSubstr("a text of more than"));
  }
}

TEST(ReadToc, RefusesEntriesWithoutEnd) {
  std::string json = R"({"version":1,"entries":[{"name":"a","xattrs":{)";
  for (int i = 0; i < 300'000; ++i) {
    json += fmt::format(R"("user.{}":"YQ==",)", i);
  }
  EXPECT_THAT(DumpOf(ZstdToc(json)), HasSubstr("entry of more than 4 MiB"));
}

TEST(ReadToc, RefusesMoreEntriesThanMemoryHolds) {
  std::string entries;
  for (int i = 0; i < 2'000'000; ++i) {
    entries += R"({"name":"f)" + std::to_string(i) + R"(","type":"fifo"},)";
  }
  entries.pop_back();
  Input in = ZstdToc(Json(entries));
  in.step = 100'000;
  const auto toc = Read(in);
  ASSERT_FALSE(toc);
  EXPECT_EQ(toc.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(toc.error().message(), HasSubstr("more memory"));
}

}  // namespace
}  // namespace imgmount
