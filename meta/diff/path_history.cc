// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/path_history.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "meta/diff/path_filter.h"
#include "meta/diff/tree_lookup.h"
#include "meta/diff/union_side.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

// A file, and what tells it from what another layer put in its place.
struct Found {
  Inode inode;
  std::vector<Extent> extents;
};

Result<std::optional<Found>> FindIn(const UnionTree& tree,
                                    std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  const bool is_top = slash == std::string_view::npos;
  const auto side = MakeUnionSide(tree, {}, {});
  const auto parent = ResolveIn(*side, is_top ? "" : path.substr(0, slash));
  const auto absent = [](const Error& error) {
    return error.code() == ErrorCode::kNotFound;
  };
  if (!parent) {
    if (absent(parent.error())) return std::optional<Found>();
    return Failure(parent.error());
  }
  if (!S_ISDIR(parent->mode)) return std::optional<Found>();
  const std::string_view name = is_top ? path : path.substr(slash + 1);
  const auto ino = name.empty() ? parent->ino : tree.Lookup(parent->ino, name);
  if (!ino) {
    if (absent(ino.error())) return std::optional<Found>();
    return Failure(ino.error());
  }
  Found found;
  IMGMOUNT_TRY(found.inode, tree.Get(*ino));
  if (S_ISREG(found.inode.mode)) {
    IMGMOUNT_TRY(found.extents, tree.Extents(*ino));
  }
  return std::optional(std::move(found));
}

// "-rwxr-xr-x", as ls prints it.
std::string ModeText(uint32_t mode) {
  std::string text(10, '-');
  const char type = S_ISDIR(mode)    ? 'd'
                    : S_ISLNK(mode)  ? 'l'
                    : S_ISCHR(mode)  ? 'c'
                    : S_ISBLK(mode)  ? 'b'
                    : S_ISFIFO(mode) ? 'p'
                    : S_ISSOCK(mode) ? 's'
                                     : '-';
  text[0] = type;
  for (size_t i = 0; i < 9; ++i) {
    if ((mode >> (8 - i) & 1) != 0) text[i + 1] = "rwxrwxrwx"[i];
  }
  const auto special = [&](uint32_t bit, size_t at, char with, char without) {
    if ((mode & bit) != 0) text[at] = text[at] == 'x' ? with : without;
  };
  special(S_ISUID, 3, 's', 'S');
  special(S_ISGID, 6, 's', 'S');
  special(S_ISVTX, 9, 't', 'T');
  return text;
}

// What the layers did to each path, in the order of the paths.
Result<std::vector<PathEvent>> HistoryOf(
    LayerStates& states, const std::vector<std::string>& paths) {
  std::vector<std::vector<PathEvent>> events(paths.size());
  std::vector<std::optional<Found>> before(paths.size());
  for (size_t layer = 0; layer < states.layer_count(); ++layer) {
    IMGMOUNT_TRY(const UnionTree* tree, states.AsOf(layer + 1));
    for (size_t i = 0; i < paths.size(); ++i) {
      IMGMOUNT_TRY(auto now, FindIn(*tree, paths[i]));
      const bool is_same = now && before[i] &&
                           now->inode.layer == before[i]->inode.layer &&
                           now->inode.mode == before[i]->inode.mode &&
                           now->extents == before[i]->extents;
      if (now && !is_same) {
        PathEvent event{paths[i], layer,
                        before[i] ? ChangeKind::kChanged : ChangeKind::kAdded,
                        now->inode, ""};
        if (S_ISLNK(now->inode.mode)) {
          IMGMOUNT_TRY(event.target, tree->SymlinkTarget(now->inode.ino));
        }
        events[i].push_back(std::move(event));
      } else if (!now && before[i]) {
        events[i].push_back(
            {paths[i], layer, ChangeKind::kDeleted, std::nullopt, ""});
      }
      before[i] = std::move(now);
    }
    states.Drop(layer + 1);
  }
  std::vector<PathEvent> all;
  for (auto& of_path : events) {
    std::move(of_path.begin(), of_path.end(), std::back_inserter(all));
  }
  return all;
}

// Cells of a table, each as wide as its column; the last as it is.
template <size_t kColumns>
std::string Aligned(
    const std::vector<std::array<std::string, kColumns>>& rows) {
  std::array<size_t, kColumns> width = {};
  for (const auto& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) {
      width[i] = std::max(width[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < kColumns; ++i) {
      line += i + 1 == kColumns ? row[i]
                                : fmt::format("{:<{}}   ", row[i], width[i]);
    }
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

// "12", or "-> target" of a symlink.
std::string SizeOrTarget(const PathEvent& event) {
  if (!event.inode) return "";
  return S_ISLNK(event.inode->mode) ? "-> " + Printable(event.target)
                                    : std::to_string(event.inode->size);
}

}  // namespace

Result<std::vector<PathEvent>> HistoryOfPath(LayerStates& states,
                                             std::string_view path) {
  return HistoryOf(states, {std::string(path)});
}

bool IsGlob(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

Result<std::vector<PathEvent>> HistoryOfMatches(LayerStates& states,
                                                const std::string& glob) {
  const PathFilter filter({glob});
  std::set<std::string> paths;
  for (size_t layer = 0; layer < states.layer_count(); ++layer) {
    IMGMOUNT_TRY(const LayerIndex* index, states.Index(layer));
    for (size_t i = 0; i < index->size(); ++i) {
      const EntryView entry = index->entry(i);
      if (entry.type == EntryType::kWhiteout ||
          entry.type == EntryType::kOpaque || entry.path.empty()) {
        continue;
      }
      const std::string path = '/' + std::string(entry.path);
      const std::string name = path.substr(path.rfind('/') + 1);
      if (filter.ExcludesName(name) || filter.ExcludesPath(path)) {
        paths.insert(path);
      }
    }
  }
  return HistoryOf(states, {paths.begin(), paths.end()});
}

std::string MatchesText(const std::vector<PathEvent>& events) {
  std::vector<std::array<std::string, 4>> rows = {
      {"LAYER", "CHANGE", "SIZE", "PATH"}};
  for (const PathEvent& event : events) {
    const bool is_link = event.inode && S_ISLNK(event.inode->mode);
    rows.push_back(
        {std::to_string(event.layer),
         std::string(1, static_cast<char>(event.kind)),
         is_link ? "" : SizeOrTarget(event),
         Printable(event.path) + (is_link ? ' ' + SizeOrTarget(event) : "")});
  }
  return Aligned(rows);
}

std::string PathHistoryText(const std::vector<PathEvent>& events,
                            const std::vector<LayerInfo>& layers) {
  using Row = std::array<std::string, 7>;
  std::vector<Row> rows = {
      {"LAYER", "CHANGE", "MODE", "OWNER", "SIZE", "DIGEST", "CREATED BY"}};
  for (const PathEvent& event : events) {
    const LayerInfo& layer = layers[event.layer];
    Row row = {std::to_string(event.layer),
               std::string(1, static_cast<char>(event.kind)),
               "",
               "",
               "",
               std::string(layer.digest.short_hex()),
               Printable(layer.created_by)};
    if (event.inode) {
      row[2] = ModeText(event.inode->mode);
      row[3] = fmt::format("{}:{}", event.inode->uid, event.inode->gid);
      row[4] = SizeOrTarget(event);
    }
    rows.push_back(std::move(row));
  }
  return Aligned(rows);
}

}  // namespace imgmount
