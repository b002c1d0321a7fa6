// SPDX-License-Identifier: Apache-2.0
#include "meta/report/history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "meta/base/timestamp.h"
#include "meta/base/zoned_time.h"
#include "meta/report/columns.h"
#include "meta/store/layer_facts.h"
#include "meta/text/quantities.h"

namespace imgmount {
namespace {

constexpr char kMissing[] = "<missing>";
constexpr size_t kCreatedByWidth = 45;
// Docker shows no age for anything up to here: reproducible builds are 0 or so.
constexpr int64_t kYear2000 = 946684800;

std::string ShortId(const std::string& id) {
  const size_t colon = id.find(':');
  return colon == std::string::npos ? id : id.substr(colon + 1, 12);
}

std::string Age(int64_t created, int64_t now) {
  if (created <= kYear2000) return "N/A";
  return RoughDuration(now - created) + " ago";
}

std::string SizeText(uint64_t bytes, bool human) {
  return human ? ShortSize(bytes) : std::to_string(bytes);
}

}  // namespace

std::vector<HistoryRow> HistoryOf(const Image& image, const Cache& cache,
                                  bool all_layers) {
  const std::vector<Descriptor>& layers = image.manifest.layers;
  std::vector<HistoryRow> rows;
  size_t layer = 0;
  const auto add = [&](const HistoryEntry& entry) {
    HistoryRow row{
        .id = kMissing,
        .created = ParseRfc3339(entry.created).value_or(Timestamp()).seconds,
        .created_by = entry.created_by,
        .comment = entry.comment};
    if (!entry.empty_layer && layer < layers.size()) {
      const auto facts = LoadFacts(cache, layers[layer].digest);
      row.size = facts ? facts->diff_size : layers[layer].size;
      row.size_is_compressed = !facts;
      row.layer = layer++;
    }
    rows.push_back(std::move(row));
  };
  for (const HistoryEntry& entry : image.config.history) add(entry);
  while (all_layers && layer < layers.size()) {
    add({image.config.created, {}, {}, {}, false});
  }
  std::reverse(rows.begin(), rows.end());
  if (!rows.empty()) rows.front().id = image.manifest.config.digest.text();
  return rows;
}

nlohmann::ordered_json HistoryFields(const HistoryRow& row, const Image& image,
                                     const HistoryFormat& format) {
  std::string created_by = row.created_by;
  std::replace(created_by.begin(), created_by.end(), '\t', ' ');
  if (format.truncate) created_by = Ellipsis(created_by, kCreatedByWidth);

  nlohmann::ordered_json fields = {
      {"Comment", row.comment},
      {"CreatedAt", ZonedTime::Local(row.created).Text()},
      {"CreatedBy", created_by},
      {"CreatedSince", format.human ? Age(row.created, format.now)
                                    : ZonedTime::Local(row.created).Text()},
      {"ID", format.truncate ? ShortId(row.id) : row.id},
      {"Size",
       (row.size_is_compressed ? "~" : "") + SizeText(row.size, format.human)},
      {"Layer", ""},
      {"Compressed", ""}};
  if (row.layer) {
    const Descriptor& layer = image.manifest.layers[*row.layer];
    fields["Layer"] = format.truncate ? std::string(layer.digest.short_hex())
                                      : layer.digest.text();
    fields["Compressed"] = SizeText(layer.size, format.human);
  }
  return fields;
}

nlohmann::ordered_json HistoryHeaders() {
  return {{"ID", "IMAGE"},
          {"CreatedAt", "CREATED AT"},
          {"CreatedSince", "CREATED"},
          {"CreatedBy", "CREATED BY"},
          {"Size", "SIZE"},
          {"Comment", "COMMENT"},
          {"Layer", "LAYER"},
          {"Compressed", "COMPRESSED"}};
}

}  // namespace imgmount
