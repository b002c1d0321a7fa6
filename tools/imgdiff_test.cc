// SPDX-License-Identifier: Apache-2.0
#include "tools/imgdiff.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/image_writer.h"
#include "tests/support/matchers.h"
#include "tests/support/tar_builder.h"
#include "tests/support/test_io.h"

namespace imgmount {
namespace {

namespace stdfs = std::filesystem;
using testing::TarBuilder;
using testing::TestIo;

constexpr char kHistory[] = R"({"history": [
  {"created_by": "ADD base"},
  {"created_by": "ENV A=1", "empty_layer": true},
  {"created_by": "RUN setup"},
  {"created_by": "RUN more"}]})";

// Two images, app:1 and app:2, that share their bottom layer.
class ImgdiffTest : public ::testing::Test {
 protected:
  ImgdiffTest() {
    const std::string base = TarBuilder()
                                 .Dir("etc")
                                 .File("etc/a", "1")
                                 .File("etc/b", "1")
                                 .File("etc/same", "same")
                                 .Symlink("link", "etc/a")
                                 .Build();
    const std::string one = TarBuilder().File("etc/a", "2").Build();
    const std::string two = TarBuilder()
                                .File("etc/a", "3")
                                .Whiteout("etc/b")
                                .File("etc/same", "same")
                                .Mode(0600)
                                .Build();
    const std::string three =
        TarBuilder().Symlink("link", "etc/c").File("etc/c", "").Build();
    Add("1", {base, one});
    Add("2", {base, two, three});
  }

  void Add(const std::string& tag, const std::vector<std::string>& tars) {
    ASSERT_TRUE(cache_.SetName("docker.io/library/app:" + tag,
                               testing::WriteImage(cache_, tars, kHistory)));
  }
  int Run(std::vector<std::string> args) {
    io_.out.str("");
    io_.err.str("");
    args.insert(args.begin(), {"-q", "--platform", "linux/amd64", "--cache-dir",
                               folder_.path().string()});
    return ImgdiffMain(std::move(args), io_.io);
  }
  std::string Out() const { return io_.out.str(); }
  std::string Err() const { return io_.err.str(); }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
  TestIo io_;
};

TEST_F(ImgdiffTest, ComparesTwoImages) {
  EXPECT_EQ(Run({"app:1", "app:2"}), 1) << Err();
  EXPECT_EQ(Out(), "C /etc/a\nD /etc/b\nA /etc/c\nC /etc/same\nC /link\n");
  EXPECT_EQ(Err(), "");
}

TEST_F(ImgdiffTest, TellsWhatAndWho) {
  EXPECT_EQ(Run({"--what", "--blame", "app:1", "app:2"}), 1) << Err();
  std::string out = Out();  // digests depend on the compressor: cut them
  for (size_t at; (at = out.find("sha256:")) != std::string::npos;) {
    out.erase(at, 20);
  }
  EXPECT_EQ(out,
            "C content /etc/a\n  < 1 RUN setup\n  > 1 RUN setup\n"
            "D - /etc/b\n  < 0 ADD base\n  > 1 RUN setup\n"
            "A - /etc/c\n  > 2 RUN more\n"
            "C mode /etc/same\n  < 0 ADD base\n  > 1 RUN setup\n"
            "C target /link\n  < 0 ADD base\n  > 2 RUN more\n");
}

TEST_F(ImgdiffTest, EndsWithZeroWhereNothingDiffers) {
  EXPECT_EQ(Run({"app:1", "app:1"}), 0) << Err();
  EXPECT_EQ(Out(), "");
  EXPECT_EQ(Run({"app:1@0", "app:2@0"}), 0) << Err();
}

TEST_F(ImgdiffTest, ComparesStatesOfAnImage) {
  EXPECT_EQ(Run({"app:2@0", "app:2@1"}), 1) << Err();
  EXPECT_EQ(Out(), "C /etc/a\nD /etc/b\nC /etc/same\n");
  EXPECT_EQ(Run({"app:2@1", "app:2"}), 1) << Err();
  EXPECT_EQ(Out(), "A /etc/c\nC /link\n");
}

TEST_F(ImgdiffTest, ShowsAnImageLayerByLayer) {
  EXPECT_EQ(Run({"app:2"}), 0) << Err();
  const auto image = cache_.Load(cache_.List()->at(1).descriptor,
                                 Platform{"linux", "amd64", "", ""});
  const auto digest = [&](int i) {
    return image->manifest.layers[i].digest.text();
  };
  EXPECT_EQ(Out(), "layer 0 " + digest(0) +
                       " ADD base\n"
                       "A /etc\nA /etc/a\nA /etc/b\nA /etc/same\nA /link\n\n"
                       "layer 1 " +
                       digest(1) +
                       " RUN setup\n"
                       "C /etc/a\nD /etc/b\nC /etc/same\n\n"
                       "layer 2 " +
                       digest(2) + " RUN more\nA /etc/c\nC /link\n");
}

TEST_F(ImgdiffTest, ShowsOneLayerAlone) {
  EXPECT_EQ(Run({"app:2@2"}), 0) << Err();
  EXPECT_THAT(Out(), StartsWith("layer 2 sha256:"));
  EXPECT_THAT(Out(), HasSubstr("RUN more\nA /etc/c\nC /link\n"));
}

TEST_F(ImgdiffTest, PrintsJsonThatParses) {
  EXPECT_EQ(Run({"--json", "app:1", "app:2"}), 1) << Err();
  const auto two = nlohmann::json::parse(Out());
  ASSERT_EQ(two.size(), 5u);
  EXPECT_EQ(two[1]["path"], "/etc/b");
  EXPECT_EQ(two[1]["kind"], "D");
  EXPECT_EQ(two[1]["deleted_by"]["created_by"], "RUN setup");
  EXPECT_EQ(two[4]["what"], nlohmann::json::array({"target"}));

  EXPECT_EQ(Run({"--json", "app:2"}), 0) << Err();
  const auto layers = nlohmann::json::parse(Out());
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_EQ(layers[1]["layer"], 1);
  EXPECT_EQ(layers[1]["created_by"], "RUN setup");
  EXPECT_EQ(layers[1]["changes"].size(), 3u);

  EXPECT_EQ(Run({"--json", "app:1", "app:1"}), 0) << Err();
  EXPECT_EQ(nlohmann::json::parse(Out()), nlohmann::json::array());
}

TEST_F(ImgdiffTest, LeavesOutWhatItIsTold) {
  EXPECT_EQ(Run({"--ignore", "mode,target", "-x", "/etc/a", "-x", "b", "app:1",
                 "app:2"}),
            1)
      << Err();
  EXPECT_EQ(Out(), "A /etc/c\n");
  EXPECT_EQ(Run({"-x", "etc", "-x", "link", "app:1", "app:2"}), 0) << Err();
}

TEST_F(ImgdiffTest, ComparesAnImageWithADirectory) {
  const auto rootfs = folder_.path() / "rootfs";
  stdfs::create_directories(rootfs / "etc");
  std::ofstream(rootfs / "etc/a") << "2";
  std::ofstream(rootfs / "etc/b") << "x";
  stdfs::create_symlink("etc/a", rootfs / "link");
  EXPECT_EQ(Run({"--ignore", "mtime,owner,mode", "app:1", rootfs}), 1) << Err();
  EXPECT_EQ(Out(), "C /etc/b\nD /etc/same\n");
  EXPECT_EQ(Run({"--ignore", "mtime,owner,mode", "--blame", rootfs, "app:1"}),
            1)
      << Err();
  EXPECT_THAT(Out(), StartsWith("C /etc/b\n  > 0 sha256:"));
  EXPECT_EQ(Run({rootfs, rootfs}), 0) << Err();
}

TEST_F(ImgdiffTest, ShowsContentsAsGitDoes) {
  EXPECT_EQ(Run({"--content", "-x", "link", "app:1", "app:2"}), 1) << Err();
  EXPECT_EQ(Out(),
            "diff --git a/etc/a b/etc/a\n--- a/etc/a\n+++ b/etc/a\n"
            "@@ -1 +1 @@\n-2\n\\ No newline at end of file\n"
            "+3\n\\ No newline at end of file\n"
            "diff --git a/etc/b b/etc/b\ndeleted file mode 100644\n"
            "--- a/etc/b\n+++ /dev/null\n"
            "@@ -1 +0,0 @@\n-1\n\\ No newline at end of file\n"
            "diff --git a/etc/c b/etc/c\nnew file mode 100644\n");
  EXPECT_EQ(Run({"--content", "app:2@2"}), 0) << Err();
  EXPECT_THAT(Out(), HasSubstr("RUN more\ndiff --git a/etc/c b/etc/c\n"));
  EXPECT_EQ(Run({"--content", "--json", "app:1", "app:2"}), 2);
}

TEST_F(ImgdiffTest, CountsBytes) {
  EXPECT_EQ(Run({"--stat", "app:1", "app:2"}), 1) << Err();
  EXPECT_THAT(Out(),
              HasSubstr("       1        2        1       +1B       -2B  "
                        "/etc\n"));
  EXPECT_EQ(Run({"--stat", "--json", "app:1", "app:2"}), 1) << Err();
  const auto two = nlohmann::json::parse(Out());
  EXPECT_EQ(two["total"]["bytes_out"], 2);
  EXPECT_EQ(two["layers_b"][1]["created_by"], "RUN more");
}

// /etc/a 1 + 1, /etc/b 1 + 0, /etc/same 4 + 4, all others 0: 5 of 11 bytes.
TEST_F(ImgdiffTest, TellsWhatALayerHasForNothing) {
  EXPECT_EQ(Run({"--stat", "app:2"}), 0) << Err();
  const std::string text = Out();
  EXPECT_THAT(text, StartsWith("6B of "));
  EXPECT_THAT(text, HasSubstr("       6B        6B  0 sha256:"));
  EXPECT_THAT(text, HasSubstr("  by 1 sha256:"));
  EXPECT_THAT(text, HasSubstr("dive's score: efficiency 45.45 %, 11B wasted in "
                              "4 paths (it does not count\n"));
  EXPECT_THAT(text, HasSubstr("       8B in 2 layers  /etc/same\n"));
  EXPECT_EQ(Run({"--stat", "--json", "app:2"}), 0) << Err();
  const auto json = nlohmann::json::parse(Out());
  EXPECT_EQ(json["layers"].size(), 3u);
  EXPECT_EQ(json["layers"][2]["stat"]["total"]["added"], 1);
  EXPECT_EQ(json["hidden_bytes"], 6);
  EXPECT_EQ(json["bytes"][0]["hidden_bytes"], 6);
  uint64_t hidden = 0;
  for (const auto& by : json["bytes"][0]["hidden_by"]) {
    hidden += by["bytes"].get<uint64_t>();
  }
  EXPECT_EQ(hidden, 6u);
  EXPECT_NEAR(json["dive"]["efficiency"].get<double>(), 5.0 / 11, 1e-5);
  EXPECT_EQ(json["dive"]["wasted"][0]["path"], "/etc/same");
}

TEST_F(ImgdiffTest, ComparesPackages) {
  const auto image = [](const std::string& status) {
    return std::vector{
        TarBuilder().Dir("var").File("var/lib/dpkg/status", status).Build()};
  };
  Add("old", image("Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n"));
  Add("new", image("Package: b\nVersion: 2\n\nPackage: c\nVersion: 1\n"));
  EXPECT_EQ(Run({"--packages", "app:old", "app:new"}), 1) << Err();
  EXPECT_EQ(Out(), "D a 1\nC b 1 -> 2\nA c 1\n");
  EXPECT_EQ(Run({"--packages", "app:1", "app:2"}), 0) << Err();
  EXPECT_EQ(Run({"--packages", "--json", "app:new"}), 0) << Err();
  EXPECT_EQ(nlohmann::json::parse(Out())[0]["packages"].size(), 2u);
}

TEST_F(ImgdiffTest, WritesAPage) {
  const auto page = [&](std::vector<std::string> args) {
    const auto path = (folder_.path() / "page.html").string();
    args.insert(args.begin(), {"--html", path});
    const int status = Run(args);
    EXPECT_EQ(status, args.size() == 4 ? 1 : 0) << Err();
    EXPECT_EQ(Out(), "");
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string start = "id=\"data\">";
    const size_t at = text.find(start) + start.size();
    return nlohmann::json::parse(
        text.substr(at, text.find("</script>", at) - at));
  };
  const auto two = page({"app:1", "app:2"});
  EXPECT_EQ(two["sections"].size(), 1u);
  EXPECT_EQ(two["sections"][0]["changes"].size(), 5u);
  EXPECT_EQ(two["layers"].size(), 3u);
  const auto layers = page({"app:2"});
  EXPECT_EQ(layers["sections"].size(), 3u);
  EXPECT_EQ(layers["layers"][0]["hidden"], 6);
  EXPECT_NEAR(layers["waste"]["score"].get<double>(), 5.0 / 11, 1e-9);
  EXPECT_EQ(page({"app:2@1"})["sections"].size(), 1u);
  EXPECT_EQ(Run({"--html", "/nowhere/page.html", "app:1", "app:2"}), 2);
}

TEST_F(ImgdiffTest, LeavesNoScratchFiles) {
  const auto count = [&] {
    EXPECT_EQ(Run({"--blame", "app:1", "app:2"}), 1) << Err();
    EXPECT_EQ(Run({"app:2"}), 0) << Err();
    const stdfs::directory_iterator trees(folder_.path() / "imgmount/trees");
    return std::distance(begin(trees), end(trees));
  };
  EXPECT_EQ(count(), 2) << "those of the two images";
}

TEST_F(ImgdiffTest, TroubleIsTwo) {
  EXPECT_EQ(Run({}), 2);
  EXPECT_THAT(Err(), HasSubstr("see imgdiff --help"));
  EXPECT_EQ(Run({"a", "b", "c"}), 2);
  EXPECT_EQ(Run({"app:1@7", "app:2"}), 2);
  EXPECT_EQ(Err(), "imgdiff: app:1 has no layer 7; it has 0 to 1\n");
  EXPECT_EQ(Run({"--ignore", "colour", "app:1", "app:2"}), 2);
  EXPECT_EQ(Err(),
            "imgdiff: --ignore colour: no such respect; there are content, "
            "mode, owner, mtime, xattr, type, target\n");
  EXPECT_EQ(Run({"./none", "app:2"}), 2);
  EXPECT_EQ(Err(), "imgdiff: ./none: No such file or directory\n");
  EXPECT_EQ(Run({"UPPER", "app:2"}), 2);
  EXPECT_EQ(Out(), "");
}

TEST_F(ImgdiffTest, TellsOfADamagedBlob) {
  const auto image = cache_.Load(cache_.List()->at(1).descriptor,
                                 Platform{"linux", "amd64", "", ""});
  const auto path = cache_.BlobPath(image->manifest.layers[2].digest);
  stdfs::resize_file(path, stdfs::file_size(path) / 2);
  EXPECT_EQ(Run({"app:1", "app:2"}), 2);
  EXPECT_THAT(Err(), StartsWith("imgdiff: "));
}

TEST_F(ImgdiffTest, HelpsAndTellsItsVersion) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_THAT(Out(), HasSubstr("Usage: imgdiff [OPTIONS] A B"));
  EXPECT_THAT(Out(), HasSubstr("imgdiff nginx:1.24 nginx:1.25"));
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_EQ(Out(), "imgdiff " IMGMOUNT_VERSION "\n");
  EXPECT_THAT(Err(), IsEmpty());
}

}  // namespace
}  // namespace imgmount
