// SPDX-License-Identifier: Apache-2.0
// oci-archive: and docker-archive:, as the tools see them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "fetch/archive/docker_archive.h"
#include "fetch/archive/image_file.h"
#include "fetch/archive/oci_archive.h"
#include "fetch/archive/tar_files.h"
#include "fetch/find/open_image.h"
#include "fetch/find/pull_image.h"
#include "fetch/find/resolve_image.h"
#include "tests/support/fake_registry.h"
#include "tests/support/hostile_json.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using testing::TarBuilder;
using testing::TestImage;

const std::string& LayerTar() {
  static const std::string tar =
      TarBuilder().File("large", testing::RandomBytes(2'000'000, 1)).Build();
  return tar;
}

class ArchiveTest : public ::testing::Test {
 protected:
  class Silent : public PullObserver {
    void OnImage(const Image&) override {}
    void OnLayer(const Digest&, Step, uint64_t, uint64_t) override {}
  };

  std::string Write(const std::string& name, const std::string& bytes) {
    const fs::path path = folder_.path() / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path.string();
  }
  // Pulls, and answers the manifest's digest or the error.
  Result<std::string> Pull(const std::string& name) {
    const FetchConfig config{.cache_folder = folder_.path() / "cache"};
    IMGMOUNT_TRY(NamedImage named, OpenImage(name, config));
    IMGMOUNT_TRY(const ResolvedImage resolved, ResolveAnew(named));
    Silent observer;
    IMGMOUNT_CHECK(PullImage(named, resolved, observer));
    return resolved.image.manifest_digest.text();
  }
  static std::string ErrorOf(const Result<std::string>& result) {
    return result ? "no error" : result.error().message();
  }

  std::string OciTar(const TestImage& image) const {
    TarBuilder tar;
    const auto blob = [&](const std::string& bytes) {
      tar.File("blobs/sha256/" + std::string(DigestOf(bytes).hex()), bytes);
    };
    for (const std::string& layer : image.layers) blob(layer);
    blob(image.config);
    blob(image.manifest);
    const fs::path layout = folder_.path() / "layout";
    WriteLayout(image, layout, "v1");
    std::ifstream index(layout / "index.json");
    return tar.File("./index.json", {std::istreambuf_iterator<char>(index), {}})
        .File("oci-layout", R"({"imageLayoutVersion":"1.0.0"})")
        .Build();
  }

  // As `docker save` wrote it before version 25.
  static std::string DockerTar(const TestImage& image,
                               const std::string& layer_file,
                               const std::string& tags = R"("app:1")") {
    return TarBuilder()
        .File("config.json", image.config)
        .Dir("one")
        .File("one/layer.tar", layer_file)
        .Dir("two")
        .Symlink("two/layer.tar", "../one/layer.tar")
        .File(
            "manifest.json",
            fmt::format(
                R"([{{"Config":"config.json","RepoTags":[{}],"Layers":["one/layer.tar","two/layer.tar"]}}])",
                tags))
        .Build();
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(ArchiveTest, AnOciArchiveGivesTheManifestAsItIs) {
  const TestImage image({LayerTar()});
  const std::string file = Write("image.tar", OciTar(image));
  for (const std::string reference : {"", ":v1"}) {
    const auto pulled = Pull("oci-archive:" + file + reference);
    EXPECT_EQ(pulled, image.manifest_digest().text()) << ErrorOf(pulled);
  }
  EXPECT_THAT(ErrorOf(Pull("oci-archive:" + file + ":v2")),
              AllOf(HasSubstr(file), HasSubstr("v1")));
}

TEST_F(ArchiveTest, AnOciArchiveGivesRangesOfItsBlobs) {
  class Sink : public RangeSink {
   public:
    Status Begin(uint64_t first, uint64_t end) override {
      answer = {first, end};
      return {};
    }
    Status Write(std::span<const std::byte> bytes) override {
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return {};
    }
    std::pair<uint64_t, uint64_t> answer;
    std::string text;
  } sink;
  const TestImage image({LayerTar()});
  auto files =
      TarFiles::Open(Write("image.tar", OciTar(image)), folder_.path());
  ASSERT_TRUE(files) << files.error().message();
  OciArchive archive(*std::move(files));
  const Descriptor layer{.media_type = "",
                         .digest = image.layer_digest(0),
                         .size = image.layers[0].size()};
  ASSERT_TRUE(archive.FetchRange(layer, 1'000'000, 1'700'000, sink));
  EXPECT_EQ(sink.answer, std::pair(uint64_t{1'000'000}, uint64_t{1'700'000}));
  EXPECT_EQ(sink.text, image.layers[0].substr(1'000'000, 700'000));
}

TEST_F(ArchiveTest, ACompressedArchiveIsUnpackedOnTheWay) {
  const TestImage image({LayerTar()});
  for (const auto& bytes :
       {testing::Gzip(OciTar(image)), testing::Zstd(OciTar(image)),
        testing::Xz(OciTar(image))}) {
    const std::string file = Write("image.tar.x", bytes);
    const auto pulled = Pull("oci-archive:" + file);
    EXPECT_EQ(pulled, image.manifest_digest().text()) << ErrorOf(pulled);
    fs::remove_all(folder_.path() / "cache");
  }
}

// The digest is skopeo's: it makes the same manifest.
TEST_F(ArchiveTest, ADockerArchiveGivesTheManifestThatSkopeoMakes) {
  const TestImage image({LayerTar(), LayerTar()});
  const std::string expected = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":{0},"digest":"{1}"}},"layers":[{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":{2},"digest":"{3}"}},{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":{2},"digest":"{3}"}}]}})",
      image.config.size(), DigestOf(image.config).text(), LayerTar().size(),
      DigestOf(LayerTar()).text());
  // However the layers lie in the file.
  for (const std::string& layer :
       {LayerTar(), testing::Gzip(LayerTar()), testing::Zstd(LayerTar())}) {
    const std::string file = Write("saved.tar", DockerTar(image, layer));
    const auto pulled = Pull("docker-archive:" + file);
    EXPECT_EQ(pulled, DigestOf(expected).text()) << ErrorOf(pulled);
    fs::remove_all(folder_.path() / "cache");
  }
}

TEST_F(ArchiveTest, AnImageOfADockerArchiveHasManyNames) {
  const TestImage image({LayerTar(), LayerTar()});
  const std::string file =
      Write("saved.tar", DockerTar(image, LayerTar(), R"("x:2","app:1")"));
  for (const std::string reference :
       {"", ":app:1", ":docker.io/library/app:1", ":x:2", ":@0"}) {
    const auto pulled = Pull("docker-archive:" + file + reference);
    EXPECT_TRUE(pulled) << ErrorOf(pulled);
  }
  for (const std::string reference : {":other", ":@1", ":@x"}) {
    EXPECT_THAT(ErrorOf(Pull("docker-archive:" + file + reference)),
                AllOf(HasSubstr("has no image"), HasSubstr("x:2, app:1")));
  }
}

TEST_F(ArchiveTest, SeveralImagesWantAName) {
  const TestImage one({LayerTar()});
  const TestImage two({TarBuilder().File("a", "b").Build()});
  const std::string file = Write(
      "saved.tar",
      TarBuilder()
          .File("1.json", one.config)
          .File("2.json", two.config)
          .File("1.tar", LayerTar())
          .File("2.tar", TarBuilder().File("a", "b").Build())
          .File("manifest.json",
                R"([{"Config":"1.json","RepoTags":["one:1"],"Layers":["1.tar"]},
                  {"Config":"2.json","RepoTags":null,"Layers":["2.tar"]}])")
          .Build());
  EXPECT_THAT(ErrorOf(Pull("docker-archive:" + file)),
              HasSubstr("has several images, name one: one:1, @1"));
  EXPECT_TRUE(Pull("docker-archive:" + file + ":one:1"));
  EXPECT_TRUE(Pull("docker-archive:" + file + ":@1"));
}

TEST_F(ArchiveTest, ALyingArchiveIsRefused) {
  const TestImage image({LayerTar(), LayerTar()});
  // Other bytes than the config's diff ID says.
  const std::string other = TarBuilder().File("other", "x").Build();
  const auto wrong =
      Pull("docker-archive:" + Write("a.tar", DockerTar(image, other)));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), ErrorCode::kCorrupt);
  // More layers than diff IDs.
  const TestImage one({LayerTar()});
  const auto count =
      Pull("docker-archive:" + Write("b.tar", DockerTar(one, LayerTar())));
  ASSERT_FALSE(count);
  EXPECT_EQ(count.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(ErrorOf(count), HasSubstr("2 layers, but 1 diff IDs"));
  // A blob of an OCI archive under another's name.
  std::string tar = OciTar(one);
  tar[tar.find("architecture")] = 'X';
  const auto blob = Pull("oci-archive:" + Write("c.tar", tar));
  ASSERT_FALSE(blob);
  EXPECT_EQ(blob.error().code(), ErrorCode::kCorrupt);
}

TEST_F(ArchiveTest, TheOtherKindOfArchiveIsNamed) {
  const TestImage image({LayerTar(), LayerTar()});
  const std::string docker = Write("x.tar", DockerTar(image, LayerTar()));
  const std::string oci = Write("y.tar", OciTar(image));
  EXPECT_THAT(ErrorOf(Pull("oci-archive:" + docker)),
              HasSubstr("write docker-archive:" + docker));
  const std::string both = Write(
      "z.tar", TarBuilder()
                   .File("index.json", R"({"schemaVersion":2,"mediaType":)"
                                       R"("application/vnd.oci.image.index.v1)"
                                       R"(+json","manifests":null})")
                   .File("manifest.json", "[]")
                   .Build());
  EXPECT_THAT(ErrorOf(Pull("oci-archive:" + both)),
              HasSubstr("`imgpull docker-archive:" + both + "`"));
  EXPECT_THAT(ErrorOf(Pull("docker-archive:" + oci)),
              HasSubstr("write oci-archive:" + oci));
  EXPECT_EQ(TransportOf(docker), "docker-archive:");
  EXPECT_EQ(TransportOf(oci), "oci-archive:");
  EXPECT_EQ(TransportOf(Write("z", testing::Gzip(OciTar(image)))),
            "oci-archive:");
  EXPECT_EQ(TransportOf(Write("text", "hello")), "");
  EXPECT_EQ(TransportOf(folder_.path()), "");
  const std::string none = folder_.path() / "none";
  EXPECT_EQ(TransportOf(none), "");
  EXPECT_THAT(ErrorOf(Pull(none)), HasSubstr("oci:DIR, oci-archive:FILE or"));
  Write("oci-layout", "{}");
  EXPECT_EQ(TransportOf(folder_.path()), "oci:");
  EXPECT_THAT(ErrorOf(Pull(folder_.path())),
              HasSubstr("did you mean oci:" + folder_.path().string() + "?"));
}

TEST_F(ArchiveTest, ALinkToNowhereIsNamed) {
  const TestImage one({LayerTar()});
  const auto pulled =
      Pull("docker-archive:" +
           Write("x.tar",
                 TarBuilder()
                     .File("1.json", one.config)
                     .Symlink("b/layer.tar", "../a/layer.tar")
                     .File("manifest.json",
                           R"([{"Config":"1.json","Layers":["b/layer.tar"]}])")
                     .Build()));
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(ErrorOf(pulled),
              HasSubstr("b/layer.tar is a link to a/layer.tar, which is not"));
}

// As Go's archive/tar has it, in which docker load and podman read them.
TEST_F(ArchiveTest, SpecialHeadersWithoutAnEntryAreTheEnd) {
  const TestImage image({LayerTar()});
  std::string tar = OciTar(image);
  tar.resize(tar.size() - 1024);
  tar +=
      TarBuilder().File("x", "").Pax("mtime", "5").Build(false).substr(0, 1024);
  tar += std::string(1024, '\0');
  const auto pulled = Pull("oci-archive:" + Write("x.tar", tar));
  EXPECT_EQ(pulled, image.manifest_digest().text()) << ErrorOf(pulled);
}

TEST_F(ArchiveTest, SizesBindWhatIndexJsonNames) {
  const TestImage image({LayerTar()});
  std::string tar = OciTar(image);
  const std::string size = fmt::format("\"size\":{}", image.manifest.size());
  ASSERT_NE(tar.find(size), std::string::npos);
  tar[tar.find(size) + size.size() - 1] ^= 1;
  const auto pulled = Pull("oci-archive:" + Write("x.tar", tar));
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(ErrorOf(pulled), HasSubstr("its descriptor says"));
}

TEST_F(ArchiveTest, WhatIsNoArchiveIsTold) {
  const auto fails = [&](const std::string& bytes, const std::string& message) {
    const std::string file = Write("bad.tar", bytes);
    for (const char* transport : {"docker-archive:", "oci-archive:"}) {
      EXPECT_THAT(ErrorOf(Pull(transport + file)),
                  AllOf(HasSubstr(file), HasSubstr(message)));
    }
  };
  fails("this is text", "not a readable tar archive");
  fails(TarBuilder().File("a", "b").Build(), "has no file");
  const std::string loop = TarBuilder()
                               .Symlink("manifest.json", "index.json")
                               .Symlink("index.json", "manifest.json")
                               .Build();
  fails(loop, "loop of links");
  EXPECT_THAT(ErrorOf(Pull("docker-archive:/nowhere.tar")),
              HasSubstr("/nowhere.tar"));
  for (const char* manifest :
       {"{}", "[5]", R"([{"Config":5}])", R"([{"Config":"c","Layers":[5]}])",
        "nonsense"}) {
    const std::string file =
        Write("bad.tar", TarBuilder().File("manifest.json", manifest).Build());
    EXPECT_THAT(ErrorOf(Pull("docker-archive:" + file)),
                HasSubstr("not docker save's"));
  }
}

TEST_F(ArchiveTest, AHostileManifestOfADockerArchiveIsRefused) {
  const auto refusal = [&](const std::string& member) {
    const std::string file = Write(
        "bad.tar",
        TarBuilder()
            .File("c", "{}")
            .File("manifest.json", R"([{"Config":"c","x":)" + member + "}]")
            .Build());
    return ErrorOf(Pull("docker-archive:" + file));
  };
  EXPECT_THAT(refusal("0"), Not(HasSubstr("not docker save's")));
  EXPECT_THAT(refusal(testing::DeepJson()), HasSubstr("nested deeper than"));
  EXPECT_THAT(refusal(testing::LargeJson()), HasSubstr("more than 1000000"));
}

TEST_F(ArchiveTest, ACutArchiveIsRefused) {
  const TestImage image({LayerTar()});
  const std::string whole = OciTar(image);
  const auto pulled = Pull("oci-archive:" +
                           Write("cut.tar", whole.substr(0, whole.size() / 2)));
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code(), ErrorCode::kCorrupt) << ErrorOf(pulled);
}

}  // namespace
}  // namespace imgmount
