// SPDX-License-Identifier: Apache-2.0
// How many paths and bytes changed, by directory and by layer.
#ifndef IMGMOUNT_META_CHANGES_CHANGE_STAT_H_
#define IMGMOUNT_META_CHANGES_CHANGE_STAT_H_

#include <cstdint>
#include <iosfwd>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "meta/base/result.h"
#include "meta/changes/change_report.h"

namespace imgmount {

struct StatRow {
  uint64_t added = 0;  // paths
  uint64_t changed = 0;
  uint64_t deleted = 0;
  // Contents of regular files that are in b and were not so in a, and the
  // reverse. A file of several names counts once.
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

struct ChangeStat {
  StatRow total;
  // By the directory that a path lies in, no more than two levels down:
  // "/", "/etc", "/usr/lib".
  std::map<std::string, StatRow> directories;
  // Bytes that layers of b put there, and that layers of a lost. A path that
  // changed counts on both sides.
  std::map<LayerPosition, StatRow> layers_a;
  std::map<LayerPosition, StatRow> layers_b;
};

Result<ChangeStat> CountChanges(const Comparison& comparison);

// Lines of right-aligned numbers, each with its directory or layer behind.
void WriteStatText(const ChangeStat& stat, const Comparison& comparison,
                   std::ostream& out);
// {"total": {"added": …, "changed": …, "deleted": …, "bytes_in": …,
//  "bytes_out": …}, "directories": [{"directory": "/etc", …}],
//  "layers_a": [{"layer": 0, …}], "layers_b": […]}
nlohmann::ordered_json StatToJson(const ChangeStat& stat,
                                  const Comparison& comparison);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CHANGES_CHANGE_STAT_H_
