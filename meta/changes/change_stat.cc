// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/change_stat.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <vector>

#include "meta/text/printable.h"
#include "meta/text/quantities.h"

namespace imgmount {
namespace {

using Json = nlohmann::ordered_json;

// The name of each directory's group: itself, or what it lies in two levels
// down.
std::vector<std::string> GroupNames(const ChangeList& list) {
  std::vector<std::string> names(list.directories.size());
  std::vector<int> depths(list.directories.size(), 0);
  for (uint32_t i = 1; i < list.directories.size(); ++i) {
    const auto& directory = list.directories[i];  // a parent comes before it
    depths[i] = depths[directory.parent] + 1;
    names[i] = names[directory.parent];
    if (depths[i] <= 2) names[i].append(1, '/').append(directory.name);
  }
  for (std::string& name : names) {
    if (name.empty()) name = "/";
  }
  return names;
}

class Counter {
 public:
  explicit Counter(const Comparison& comparison)
      : comparison_(comparison), groups_(GroupNames(comparison.list)) {}

  Result<ChangeStat> Run() {
    for (const Change& change : comparison_.list.changes) {
      IMGMOUNT_CHECK(Add(change));
    }
    return std::move(stat_);
  }

 private:
  Status Add(const Change& change) {
    StatRow row;
    row.added = change.kind == ChangeKind::kAdded;
    row.changed = change.kind == ChangeKind::kChanged;
    row.deleted = change.kind == ChangeKind::kDeleted;
    const bool moves_bytes = change.kind != ChangeKind::kChanged ||
                             (change.what & (kWhatContent | kWhatType)) != 0;
    StatRow row_a = row;
    StatRow row_b = row;
    if (change.kind != ChangeKind::kAdded) {
      IMGMOUNT_TRY(const Inode a, comparison_.a.Get(change.a));
      if (moves_bytes && S_ISREG(a.mode) && seen_a_.insert(a.ino).second) {
        row_a.bytes_out = row.bytes_out = a.size;
      }
      if (a.layer < comparison_.layers_a.size()) {
        Put(row_a, stat_.layers_a[a.layer]);
      }
    }
    if (change.kind != ChangeKind::kDeleted) {
      IMGMOUNT_TRY(const Inode b, comparison_.b.Get(change.b));
      if (moves_bytes && S_ISREG(b.mode) && seen_b_.insert(b.ino).second) {
        row_b.bytes_in = row.bytes_in = b.size;
      }
      if (b.layer < comparison_.layers_b.size()) {
        Put(row_b, stat_.layers_b[b.layer]);
      }
    }
    Put(row, stat_.total);
    Put(row, stat_.directories[groups_[change.directory]]);
    return {};
  }

  static void Put(const StatRow& row, StatRow& sum) {
    sum.added += row.added;
    sum.changed += row.changed;
    sum.deleted += row.deleted;
    sum.bytes_in += row.bytes_in;
    sum.bytes_out += row.bytes_out;
  }

  const Comparison& comparison_;
  const std::vector<std::string> groups_;
  ChangeStat stat_;
  std::set<Ino> seen_a_;
  std::set<Ino> seen_b_;
};

std::string Line(const StatRow& row, const std::string& name) {
  const auto size = [](char sign, uint64_t bytes) {
    return bytes == 0 ? std::string("0") : sign + ShortSize(bytes);
  };
  return fmt::format("{:>8} {:>8} {:>8} {:>9} {:>9}  {}\n", row.added,
                     row.changed, row.deleted, size('+', row.bytes_in),
                     size('-', row.bytes_out), name);
}

Json RowToJson(const StatRow& row, Json head) {
  head["added"] = row.added;
  head["changed"] = row.changed;
  head["deleted"] = row.deleted;
  head["bytes_in"] = row.bytes_in;
  head["bytes_out"] = row.bytes_out;
  return head;
}

}  // namespace

Result<ChangeStat> CountChanges(const Comparison& comparison) {
  return Counter(comparison).Run();
}

void WriteStatText(const ChangeStat& stat, const Comparison& comparison,
                   std::ostream& out) {
  if (stat.directories.empty()) return;
  out << fmt::format("{:>8} {:>8} {:>8} {:>19}\n", "added", "changed",
                     "deleted", "bytes");
  for (const auto& [directory, row] : stat.directories) {
    out << Line(row, Printable(directory));
  }
  for (const auto& [position, row] : stat.layers_a) {
    out << Line(row, "< " + LayerToText(comparison.layers_a[position]));
  }
  for (const auto& [position, row] : stat.layers_b) {
    out << Line(row, "> " + LayerToText(comparison.layers_b[position]));
  }
  out << Line(stat.total, "total");
}

Json StatToJson(const ChangeStat& stat, const Comparison& comparison) {
  Json json;
  json["total"] = RowToJson(stat.total, Json::object());
  json["directories"] = Json::array();
  for (const auto& [directory, row] : stat.directories) {
    json["directories"].push_back(RowToJson(row, {{"directory", directory}}));
  }
  json["layers_a"] = Json::array();
  for (const auto& [position, row] : stat.layers_a) {
    json["layers_a"].push_back(
        RowToJson(row, LayerToJson(comparison.layers_a[position])));
  }
  json["layers_b"] = Json::array();
  for (const auto& [position, row] : stat.layers_b) {
    json["layers_b"].push_back(
        RowToJson(row, LayerToJson(comparison.layers_b[position])));
  }
  return json;
}

}  // namespace imgmount
