// SPDX-License-Identifier: Apache-2.0
// The named cases, held against tests/golden. To write what they give now:
// IMGMOUNT_UPDATE_GOLDEN=1 build/dev/test-bin/cases_test
#include "tests/cases/cases.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "meta/union/union_tree.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {
namespace {

namespace fs = std::filesystem;

fs::path GoldenFolder() { return fs::path(IMGMOUNT_GOLDEN); }
bool Updating() { return std::getenv("IMGMOUNT_UPDATE_GOLDEN") != nullptr; }

// Layer indexes and union, as text.
Result<std::string> DumpOf(const Case& image) {
  const TemporaryFolder folder;
  std::vector<LayerIndex> indexes;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    FirstPassOptions options;
    options.folder = folder.path() / std::to_string(i);
    IMGMOUNT_TRY(FirstPassResult pass,
                 RunFirstPass(image.layers[i], std::move(options)));
    indexes.push_back(std::move(pass.index));
  }
  std::vector<const LayerIndex*> pointers;
  for (const LayerIndex& index : indexes) pointers.push_back(&index);
  IMGMOUNT_CHECK(Merge(pointers, folder.path() / "tree"));
  IMGMOUNT_TRY(const auto tree, UnionTree::Open(folder.path() / "tree"));
  IMGMOUNT_CHECK(tree->VerifyAll());
  std::string text;
  for (size_t i = 0; i < indexes.size(); ++i) {
    text += fmt::format("layer {}\n{}", i, indexes[i].Dump());
  }
  IMGMOUNT_TRY(const std::string dump, tree->Dump());
  return text + "union\n" + dump;
}

void Compare(const fs::path& golden, const std::string& text) {
  if (Updating()) {
    fs::create_directories(golden.parent_path());
    std::ofstream(golden, std::ios::binary) << text;
    return;
  }
  std::ifstream file(golden, std::ios::binary);
  ASSERT_TRUE(file) << "no " << golden
                    << "; run with IMGMOUNT_UPDATE_GOLDEN=1 and look at it";
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str()) << "differs from " << golden;
}

class GoodCase : public ::testing::TestWithParam<Case> {};
class HostileCase : public ::testing::TestWithParam<Case> {};

TEST_P(GoodCase, IsShownAsItsGoldenFileSays) {
  const auto dump = DumpOf(GetParam());
  ASSERT_TRUE(dump) << dump.error().message();
  Compare(GoldenFolder() / "dumps" / (GetParam().name + ".txt"), *dump);
}

TEST_P(HostileCase, IsRefusedAsItsGoldenFileSays) {
  const auto dump = DumpOf(GetParam());
  ASSERT_FALSE(dump) << *dump;
  const Error& error = dump.error();
  EXPECT_TRUE(error.code() == ErrorCode::kCorrupt ||
              error.code() == ErrorCode::kUnsupported)
      << error.message();
  EXPECT_EQ(error.message().find('\n'), std::string::npos);
  Compare(GoldenFolder() / "should-fail" / (GetParam().name + ".txt"),
          fmt::format("{} {}\n", ExitStatus(error), error.message()));
}

std::string NameOf(const ::testing::TestParamInfo<Case>& info) {
  std::string name = info.param.name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; },
      '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Named, GoodCase, ::testing::ValuesIn(GoodCases()),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(should_fail, HostileCase,
                         ::testing::ValuesIn(HostileCases()), NameOf);

// A case that is renamed must not leave its file behind.
TEST(GoldenFiles, BelongToCases) {
  if (Updating()) GTEST_SKIP() << "golden files are being written";
  for (const auto& [folder, cases] :
       {std::pair{"dumps", GoodCases()},
        std::pair{"should-fail", HostileCases()}}) {
    std::set<std::string> names;
    for (const Case& c : cases) names.insert(c.name);
    EXPECT_EQ(names.size(), cases.size()) << "a name is there twice";
    for (const auto& file : fs::directory_iterator(GoldenFolder() / folder)) {
      EXPECT_TRUE(names.contains(file.path().stem().string())) << file.path();
    }
  }
}

}  // namespace
}  // namespace imgmount::testing
