// SPDX-License-Identifier: Apache-2.0
// The history of one path in the layers of an image.
#ifndef IMGMOUNT_META_DIFF_PATH_HISTORY_H_
#define IMGMOUNT_META_DIFF_PATH_HISTORY_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/diff/layer_info.h"
#include "meta/diff/layer_states.h"
#include "meta/diff/tree_diff.h"

namespace imgmount {

struct PathEvent {
  std::string path;  // as asked for
  size_t layer;      // that did it
  ChangeKind kind;
  std::optional<Inode> inode;  // what is there then; nullopt: deleted
  std::string target;          // of a symlink
};

// Bottom first; empty where no layer has anything there. Directories on the
// way may be symlinks of the image; the last component is not followed. Trees
// are dropped from `states` on the way.
Result<std::vector<PathEvent>> HistoryOfPath(LayerStates& states,
                                             std::string_view path);

// The same of every path that matches, sorted by path; also of those that are
// gone at the end. `glob` as for PathFilter.
Result<std::vector<PathEvent>> HistoryOfMatches(LayerStates& states,
                                                const std::string& glob);

// Whether it is a pattern rather than a path: it has one of *?[.
bool IsGlob(std::string_view text);

// A table of the events of several paths:
//   LAYER   CHANGE   SIZE   PATH
//   2       C        12     /etc/motd
std::string MatchesText(const std::vector<PathEvent>& events);

// A table, a line per event:
//   LAYER   CHANGE   MODE         OWNER   SIZE   DIGEST         CREATED BY
//   2       C        -rw-r--r--   0:0     12     0123456789ab   RUN make
std::string PathHistoryText(const std::vector<PathEvent>& events,
                            const std::vector<LayerInfo>& layers);

}  // namespace imgmount

#endif  // IMGMOUNT_META_DIFF_PATH_HISTORY_H_
