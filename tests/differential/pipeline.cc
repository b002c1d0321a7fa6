// SPDX-License-Identifier: Apache-2.0
#include "tests/differential/pipeline.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>
#include <vector>

#include "meta/layer/first_pass.h"
#include "meta/union/union_tree.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {

Facts OurFacts(std::span<const std::string> blobs,
               std::span<const std::string> tars,
               const std::filesystem::path& folder) {
  std::vector<LayerIndex> indexes;
  for (const std::string& blob : blobs) {
    FirstPassOptions options;
    options.folder = folder / fmt::format("derived{}", indexes.size());
    auto pass = RunFirstPass(blob, std::move(options));
    if (!pass) throw std::runtime_error(pass.error().message());
    indexes.push_back(std::move(pass->index));
  }
  std::vector<const LayerIndex*> layers;
  for (const LayerIndex& index : indexes) layers.push_back(&index);
  const auto path = folder / "tree";
  const auto merged = Merge(layers, path);
  if (!merged) throw std::runtime_error(merged.error().message());
  const auto tree = UnionTree::Open(path);
  if (!tree) throw std::runtime_error(tree.error().message());
  return FactsOfTree(**tree, tars);
}

}  // namespace imgmount::testing
