// SPDX-License-Identifier: Apache-2.0
#include "meta/diff/path_history.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

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

}  // namespace

Result<std::vector<PathEvent>> HistoryOfPath(LayerStates& states,
                                             std::string_view path) {
  std::vector<PathEvent> events;
  std::optional<Found> before;
  for (size_t layer = 0; layer < states.layer_count(); ++layer) {
    IMGMOUNT_TRY(const UnionTree* tree, states.AsOf(layer + 1));
    IMGMOUNT_TRY(auto now, FindIn(*tree, path));
    const bool is_same = now && before &&
                         now->inode.layer == before->inode.layer &&
                         now->inode.mode == before->inode.mode &&
                         now->extents == before->extents;
    if (now && !is_same) {
      PathEvent event{layer, before ? ChangeKind::kChanged : ChangeKind::kAdded,
                      now->inode, ""};
      if (S_ISLNK(now->inode.mode)) {
        IMGMOUNT_TRY(event.target, tree->SymlinkTarget(now->inode.ino));
      }
      events.push_back(std::move(event));
    } else if (!now && before) {
      events.push_back({layer, ChangeKind::kDeleted, std::nullopt, ""});
    }
    before = std::move(now);
    states.Drop(layer + 1);
  }
  return events;
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
      row[4] = S_ISLNK(event.inode->mode) ? "-> " + Printable(event.target)
                                          : std::to_string(event.inode->size);
    }
    rows.push_back(std::move(row));
  }
  std::array<size_t, 7> width = {};
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      width[i] = std::max(width[i], row[i].size());
    }
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += i + 1 == row.size() ? row[i]
                                  : fmt::format("{:<{}}   ", row[i], width[i]);
    }
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace imgmount
