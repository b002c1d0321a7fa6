// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/change_stat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "meta/diff/fake_tree.h"

namespace imgmount {
namespace {

using testing::FakeTree;

LayerInfo Layer(size_t number) {
  const Digest digest = DigestOf("layer " + std::to_string(number));
  return {number, digest, DiffId::FromText(digest.text()), "RUN x"};
}

class ChangeStatTest : public ::testing::Test {
 protected:
  ChangeStatTest() {
    const auto in = [](LayerPosition layer) {
      return [layer](Inode& inode) { inode.layer = layer; };
    };
    const auto directories = [](FakeTree& tree) {
      tree.Dir("usr").Dir("usr/lib").Dir("usr/lib/x").Dir("usr/lib/x/y");
    };
    directories(a_);
    a_.File("gone", "123").With(in(0));
    a_.File("usr/lib/x/y/changed", "1234").With(in(0));
    a_.File("usr/mode", "12345").With(in(0));
    directories(b_);
    b_.File("usr/lib/x/y/changed", "12").With(in(1));
    b_.File("usr/lib/new", "1").With(in(1)).Link("usr/lib/link", "usr/lib/new");
    b_.File("usr/mode", "12345").With([](Inode& inode) {
      inode.layer = 1;
      inode.mode ^= 1;
    });
    list_ = *DiffTrees(a_, b_);
  }
  Comparison Make() {
    return {a_, b_, list_, {Layer(0)}, {Layer(0), Layer(1)}, {}};
  }

  FakeTree a_;
  FakeTree b_;
  ChangeList list_;
};

TEST_F(ChangeStatTest, CountsByDirectoryAndLayer) {
  const Comparison comparison = Make();
  const auto stat = CountChanges(comparison);
  ASSERT_TRUE(stat);
  const auto json = StatToJson(*stat, comparison);
  const auto row = [](uint64_t added, uint64_t changed, uint64_t deleted,
                      uint64_t in, uint64_t out) {
    return nlohmann::ordered_json{{"added", added},
                                  {"changed", changed},
                                  {"deleted", deleted},
                                  {"bytes_in", in},
                                  {"bytes_out", out}};
  };
  EXPECT_EQ(json["total"], row(2, 2, 1, 3, 7));
  ASSERT_EQ(json["directories"].size(), 3u);
  const auto check = [&](size_t i, const char* directory, auto expected) {
    expected["directory"] = directory;
    EXPECT_EQ(nlohmann::json(json["directories"][i]), nlohmann::json(expected));
  };
  check(0, "/", row(0, 0, 1, 0, 3));
  check(1, "/usr", row(0, 1, 0, 0, 0));
  check(2, "/usr/lib", row(2, 1, 0, 3, 4));
  ASSERT_EQ(json["layers_a"].size(), 1u);
  EXPECT_EQ(json["layers_a"][0]["bytes_out"], 7);
  EXPECT_EQ(json["layers_a"][0]["bytes_in"], 0);
  ASSERT_EQ(json["layers_b"].size(), 1u);
  EXPECT_EQ(json["layers_b"][0]["layer"], 1);
  EXPECT_EQ(json["layers_b"][0]["bytes_in"], 3);
}

TEST_F(ChangeStatTest, IsATableOfText) {
  const Comparison comparison = Make();
  std::ostringstream out;
  WriteStatText(*CountChanges(comparison), comparison, out);
  EXPECT_THAT(out.str(),
              ::testing::StartsWith(
                  "   added  changed  deleted               bytes\n"
                  "       0        0        1         0       -3B  /\n"
                  "       0        1        0         0         0  /usr\n"
                  "       2        1        0       +3B       -4B  "
                  "/usr/lib\n"
                  "       0        2        1         0       -7B  "
                  "< 0 sha256:"));
  EXPECT_THAT(out.str(),
              ::testing::EndsWith(
                  "       2        2        1       +3B       -7B  total\n"));
}

}  // namespace
}  // namespace imgmount
