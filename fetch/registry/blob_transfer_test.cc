// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/blob_transfer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

using ::testing::ElementsAre;

class StringSink : public BlobSink {
 public:
  Status Write(std::span<const std::byte> bytes) override {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  std::string text;
};

// Whether a body without a length, encoded by `coding`, is decoded before it is
// taken for a blob of that media type.
std::vector<bool> DecodingOf(const std::string& media_type,
                             const std::string& coding) {
  const std::string blob = "the blob";
  const Descriptor descriptor{
      .media_type = media_type, .digest = DigestOf(blob), .size = blob.size()};
  StringSink sink;
  BlobTransfer transfer(descriptor, 0, sink);
  std::vector<bool> decoded;
  const auto fetched = transfer.Run([&](const std::vector<std::string>&,
                                        bool decode) -> Attempt<HttpResponse> {
    decoded.push_back(decode);
    HttpResponse response{.status = 200,
                          .headers = {{"content-encoding", coding}},
                          .url = *Url::Parse("https://example.com/")};
    if (auto begun = transfer.Begin(response); !begun) {
      return tl::unexpected(begun.error());
    }
    if (auto written = transfer.Write(std::as_bytes(std::span(blob)));
        !written) {
      return tl::unexpected(written.error());
    }
    return response;
  });
  EXPECT_TRUE(fetched);
  EXPECT_EQ(sink.text, blob);
  return decoded;
}

TEST(BlobTransfer, WithoutALengthTheMediaTypeTellsWhoseCodingItIs) {
  const std::string oci = "application/vnd.oci.image.layer.v1.tar";
  EXPECT_THAT(DecodingOf(oci + "+gzip", "gzip"), ElementsAre(false));
  EXPECT_THAT(DecodingOf(oci + "+gzip", "x-gzip"), ElementsAre(false));
  EXPECT_THAT(DecodingOf(oci + "+zstd", "zstd"), ElementsAre(false));
  EXPECT_THAT(DecodingOf(oci, "identity"), ElementsAre(false));
  EXPECT_THAT(DecodingOf(oci, "gzip"), ElementsAre(false, true));
  EXPECT_THAT(DecodingOf(oci + "+zstd", "GZIP"), ElementsAre(false, true));
  EXPECT_THAT(DecodingOf("application/vnd.oci.image.config.v1+json", "br"),
              ElementsAre(false, true));
}

}  // namespace
}  // namespace imgmount
