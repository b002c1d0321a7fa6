// SPDX-License-Identifier: Apache-2.0
// A comparison as lines of text or as JSON.
#ifndef IMGMOUNT_META_CHANGES_CHANGE_REPORT_H_
#define IMGMOUNT_META_CHANGES_CHANGE_REPORT_H_

#include <functional>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/diff/layer_info.h"
#include "meta/diff/tree_diff.h"

namespace imgmount {

// A comparison, with all that a report may ask about it.
struct Comparison {
  DiffTree& a;
  DiffTree& b;
  const ChangeList& list;
  std::vector<LayerInfo> layers_a;  // empty for a directory
  std::vector<LayerInfo> layers_b;
  // Which layer of b made a path of a go away, where one did. May be empty.
  std::function<Result<std::optional<LayerPosition>>(std::string_view path)>
      who_deleted;
};

struct TextStyle {
  bool what = false;   // "C content,mode /etc/motd"; "-" for A and D
  bool blame = false;  // below it the layers: "  < 0 …" of a, "  > 2 …" of b
  bool colour = false;
  bool binary = false;  // a patch has the bytes of files that are no text
};

// "A /etc/motd", a line per change, in the list's order.
Status WriteText(const Comparison& comparison, const TextStyle& style,
                 std::ostream& out);

// A JSON array, an element per line:
//   {"path": "/etc/motd", "kind": "C", "what": ["content", "mode"],
//    "a": {"type": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 5,
//          "mtime": "2024-05-01T12:00:00Z", "layer": 0, "digest": "sha256:…",
//          "created_by": "…"}, "b": {…}}
// "a" is absent where the path was added; where it was deleted "b" is, and
// "deleted_by" has layer, digest and created_by. A path that is not UTF-8 is
// shown with U+FFFD and has its bytes in "path_hex".
Status WriteJson(const Comparison& comparison, std::ostream& out);

// Appends the lines of TextStyle::blame for one change, whose path is `path`.
Status AppendBlame(const Comparison& comparison, const Change& change,
                   const std::string& path, std::string& text);

// "A", coloured for a terminal.
std::string KindText(ChangeKind kind, bool colour);
// One line; bytes that are no UTF-8 become U+FFFD.
std::string JsonText(const nlohmann::ordered_json& json);
// {"layer": 2, "digest": "sha256:…", "created_by": "…"}
nlohmann::ordered_json LayerToJson(const LayerInfo& layer);
// "2 sha256:0123456789ab RUN make"
std::string LayerToText(const LayerInfo& layer);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CHANGES_CHANGE_REPORT_H_
