// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/change_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "meta/diff/fake_tree.h"

namespace imgmount {
namespace {

using testing::FakeTree;

LayerInfo Layer(size_t number, std::string created_by) {
  const Digest digest = DigestOf("layer " + std::to_string(number));
  return {number, digest, DiffId::FromText(digest.text()),
          std::move(created_by)};
}

// Two images that share their bottom layer.
class ChangeReportTest : public ::testing::Test {
 protected:
  ChangeReportTest() {
    const auto in_layer = [](LayerPosition layer) {
      return [layer](Inode& inode) { inode.layer = layer; };
    };
    a_.File("gone", "1").With(in_layer(0));
    a_.File("motd", "1").With(in_layer(0));
    b_.File("motd", "22").With([](Inode& inode) {
      inode.layer = 1;
      inode.mode = S_IFREG | 04755;
      inode.uid = 7;
      inode.mtime = {1714564800, 500};
    });
    b_.Symlink("new\n", "motd").With(in_layer(1));
    list_ = *DiffTrees(a_, b_);
  }

  Comparison Make() {
    return {a_,
            b_,
            list_,
            {Layer(0, "ADD base")},
            {Layer(0, "ADD base"), Layer(1, "RUN x\ty")},
            [](std::string_view path) -> Result<std::optional<LayerPosition>> {
              EXPECT_EQ(path, "/gone");
              return LayerPosition{1};
            }};
  }
  std::string Text(const TextStyle& style) {
    std::ostringstream out;
    EXPECT_TRUE(WriteText(Make(), style, out));
    return out.str();
  }

  FakeTree a_;
  FakeTree b_;
  ChangeList list_;
};

TEST_F(ChangeReportTest, IsALinePerPath) {
  EXPECT_EQ(Text({}), "D /gone\nC /motd\nA /new\\n\n");
}

TEST_F(ChangeReportTest, TellsWhatChanged) {
  EXPECT_EQ(Text({.what = true}),
            "D - /gone\nC content,mode,owner,mtime /motd\nA - /new\\n\n");
}

TEST_F(ChangeReportTest, TellsWhoseFaultItIs) {
  const std::string base =
      "0 sha256:" + std::string(DigestOf("layer 0").short_hex()) + " ADD base";
  const std::string top =
      "1 sha256:" + std::string(DigestOf("layer 1").short_hex()) + " RUN x\\ty";
  EXPECT_EQ(Text({.blame = true}), "D /gone\n  < " + base + "\n  > " + top +
                                       "\nC /motd\n  < " + base + "\n  > " +
                                       top + "\nA /new\\n\n  > " + top + "\n");
}

TEST_F(ChangeReportTest, ColoursTheLetterOnly) {
  EXPECT_EQ(Text({.colour = true}),
            "\x1b[31mD\x1b[m /gone\n\x1b[33mC\x1b[m /motd\n"
            "\x1b[32mA\x1b[m /new\\n\n");
}

TEST_F(ChangeReportTest, TellsAllAsJson) {
  std::ostringstream out;
  ASSERT_TRUE(WriteJson(Make(), out));
  const auto json = nlohmann::json::parse(out.str());
  const std::string base = DigestOf("layer 0").text();
  const std::string top = DigestOf("layer 1").text();
  EXPECT_EQ(json, nlohmann::json::parse(R"([
    {"path": "/gone", "kind": "D",
     "a": {"type": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 1,
           "mtime": "1970-01-01T00:00:00Z", "layer": 0, "digest": ")" +
                                        base +
                                        R"(", "created_by": "ADD base"},
     "deleted_by": {"layer": 1, "digest": ")" +
                                        top +
                                        R"(", "created_by": "RUN x\ty"}},
    {"path": "/motd", "kind": "C",
     "what": ["content", "mode", "owner", "mtime"],
     "a": {"type": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 1,
           "mtime": "1970-01-01T00:00:00Z", "layer": 0, "digest": ")" +
                                        base +
                                        R"(", "created_by": "ADD base"},
     "b": {"type": "file", "mode": "4755", "uid": 7, "gid": 0, "size": 2,
           "mtime": "2024-05-01T12:00:00.000000500Z", "layer": 1,
           "digest": ")" + top + R"(", "created_by": "RUN x\ty"}},
    {"path": "/new\n", "kind": "A",
     "b": {"type": "symlink", "mode": "0777", "uid": 0, "gid": 0,
           "target": "motd", "mtime": "1970-01-01T00:00:00Z", "layer": 1,
           "digest": ")" + top + R"(", "created_by": "RUN x\ty"}}])"));
}

TEST_F(ChangeReportTest, TellsXattrsAsSetfattrTakesThem) {
  FakeTree empty;
  FakeTree tree = FakeTree()
                      .File("f", "")
                      .Xattr("user.a", "1\n\xc3\xa9")
                      .Xattr("user.b", std::string("\1\0", 2))
                      .Xattr("user.c", "0x1");
  const auto list = DiffTrees(empty, tree);
  std::ostringstream out;
  ASSERT_TRUE(WriteJson({empty, tree, *list, {}, {}, {}}, out));
  EXPECT_EQ(nlohmann::json::parse(out.str())[0]["b"]["xattrs"],
            nlohmann::json::parse(
                R"({"user.a":"1\né","user.b":"0x0100","user.c":"0x307831"})"));
}

TEST_F(ChangeReportTest, KeepsTheBytesOfPathsThatAreNoText) {
  FakeTree empty;
  FakeTree b;
  b.File("x\xff", "").With([](Inode& inode) {
    inode.mtime.seconds = INT64_MIN;
  });
  const auto list = DiffTrees(empty, b);
  std::ostringstream out;
  ASSERT_TRUE(WriteJson({empty, b, *list, {}, {}, {}}, out));
  const auto json = nlohmann::json::parse(out.str());
  EXPECT_EQ(json[0]["path"], "/x\xef\xbf\xbd");
  EXPECT_EQ(json[0]["path_hex"], "2f78ff");
  EXPECT_EQ(json[0]["b"]["mtime"], "@-9223372036854775808");
  EXPECT_FALSE(json[0]["b"].contains("layer"));
}

TEST_F(ChangeReportTest, OfNoChangesIsAnEmptyArray) {
  list_.changes.clear();
  std::ostringstream out;
  ASSERT_TRUE(WriteJson(Make(), out));
  EXPECT_EQ(nlohmann::json::parse(out.str()), nlohmann::json::array());
  EXPECT_EQ(Text({}), "");
}

}  // namespace
}  // namespace imgmount
