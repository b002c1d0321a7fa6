// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/html_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "meta/changes/report_page.h"

namespace imgmount {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMapDepth = 4;  // directories deeper down count as theirs
constexpr size_t kWastedPaths = 100;

int64_t LayerNumber(const std::vector<LayerInfo>& layers,
                    LayerPosition position) {
  return position < layers.size() ? position : -1;
}

Json LayersToJson(const std::vector<LayerInfo>& layers) {
  Json json = Json::array();
  for (const LayerInfo& layer : layers) json.push_back(LayerToJson(layer));
  return json;
}

// [directory, name, kind, what, bytes in a, bytes in b, layer of a, layer of b]
Result<Json> ChangeToJson(const Comparison& comparison, const Change& change) {
  uint64_t bytes_a = 0;
  uint64_t bytes_b = 0;
  int64_t layer_a = -1;
  int64_t layer_b = -1;
  const auto bytes = [](const Inode& inode) {
    return S_ISREG(inode.mode) ? inode.size : 0;
  };
  if (change.kind != ChangeKind::kAdded) {
    IMGMOUNT_TRY(const Inode inode, comparison.a.Get(change.a));
    bytes_a = bytes(inode);
    layer_a = LayerNumber(comparison.layers_a, inode.layer);
  }
  if (change.kind != ChangeKind::kDeleted) {
    IMGMOUNT_TRY(const Inode inode, comparison.b.Get(change.b));
    bytes_b = bytes(inode);
    layer_b = LayerNumber(comparison.layers_b, inode.layer);
  } else if (comparison.who_deleted) {
    IMGMOUNT_TRY(const auto by,
                 comparison.who_deleted(comparison.list.Path(change)));
    if (by) layer_b = LayerNumber(comparison.layers_b, *by);
  }
  return Json::array({change.directory, change.name,
                      std::string(1, static_cast<char>(change.kind)),
                      fmt::to_string(fmt::join(WhatNames(change.what), ", ")),
                      bytes_a, bytes_b, layer_a, layer_b});
}

}  // namespace

HtmlReport::HtmlReport(const std::string& title)
    : data_({{"title", title},
             {"layers", Json::array()},
             {"waste", nullptr},
             {"bytes", Json::array()},
             {"sections", Json::array()}}) {}

void HtmlReport::SetLayers(const std::vector<LayerInfo>& layers,
                           const std::vector<LayerBytes>& bytes) {
  data_["layers"] = LayersToJson(layers);
  for (size_t i = 0; i < bytes.size(); ++i) {
    data_["layers"][i]["bytes"] = bytes[i].content;
    data_["layers"][i]["hidden"] = bytes[i].hidden;
  }
}

void HtmlReport::SetEfficiency(const Efficiency& efficiency) {
  Json paths = Json::array();
  const size_t shown = std::min(kWastedPaths, efficiency.wasted.size());
  for (size_t i = 0; i < shown; ++i) {
    const WastedPath& wasted = efficiency.wasted[i];
    paths.push_back({wasted.path, wasted.bytes, wasted.times});
  }
  data_["waste"] = {{"score", efficiency.score},
                    {"bytes", efficiency.wasted_bytes},
                    {"count", efficiency.wasted.size()},
                    {"paths", std::move(paths)}};
}

Status HtmlReport::SetTree(DiffTree& tree) {
  struct Directory {
    Ino ino;
    std::string path;
    int depth;
  };
  const auto layer_count = data_["layers"].size();
  std::map<std::pair<int64_t, std::string>, uint64_t> bytes;
  std::set<Ino> seen;
  std::vector<Directory> directories = {{tree.root(), "", 0}};
  while (!directories.empty()) {
    const Directory at = std::move(directories.back());
    directories.pop_back();
    IMGMOUNT_TRY(const auto children, tree.Children(at.ino));
    for (const DirEntry& child : children) {
      if (child.type == S_IFDIR) {
        const bool has_own_name = at.depth < kMapDepth;
        directories.push_back(
            {child.ino,
             has_own_name ? at.path + '/' + std::string(child.name) : at.path,
             at.depth + 1});
      }
      if (child.type != S_IFREG || !seen.insert(child.ino).second) continue;
      IMGMOUNT_TRY(const Inode inode, tree.Get(child.ino));
      const int64_t layer = inode.layer < layer_count ? inode.layer : -1;
      bytes[{layer, at.path}] += inode.size;
    }
  }
  for (const auto& [where, size] : bytes) {
    if (size != 0) data_["bytes"].push_back({where.first, where.second, size});
  }
  return {};
}

Status HtmlReport::AddSection(const std::string& title,
                              const Comparison& comparison) {
  Json directories = Json::array();
  for (const auto& directory : comparison.list.directories) {
    directories.push_back(Json::array({directory.parent, directory.name}));
  }
  Json changes = Json::array();
  for (const Change& change : comparison.list.changes) {
    IMGMOUNT_TRY(Json row, ChangeToJson(comparison, change));
    changes.push_back(std::move(row));
  }
  data_["sections"].push_back({{"title", title},
                               {"layers_a", LayersToJson(comparison.layers_a)},
                               {"layers_b", LayersToJson(comparison.layers_b)},
                               {"directories", std::move(directories)},
                               {"changes", std::move(changes)}});
  return {};
}

std::string HtmlReport::Page() const {
  std::string json;
  for (const char c : JsonText(data_)) {
    if (c == '<') {
      json += "\\u003c";
    } else {
      json += c;
    }
  }
  std::string page = ReportPage();
  constexpr std::string_view kPlace = ">DATA<";
  const size_t at = page.find(kPlace);
  return page.replace(at + 1, kPlace.size() - 2, json);
}

}  // namespace imgmount
