// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/change_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "meta/text/printable.h"
#include "meta/text/utf8.h"

namespace imgmount {
namespace {

using Json = nlohmann::ordered_json;

std::string_view TypeName(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "char-device";
    case S_IFBLK:
      return "block-device";
    case S_IFIFO:
      return "fifo";
    default:
      return "socket";
  }
}

std::string TimeText(const Timestamp& time) {
  constexpr int64_t kYear10000 = 253402300800;
  constexpr int64_t kYear0 = -62167219200;
  if (time.seconds >= kYear10000 || time.seconds < kYear0) {
    return fmt::format("@{}", time.seconds);
  }
  const std::string seconds = fmt::format(
      "{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(static_cast<time_t>(time.seconds)));
  if (time.nanoseconds == 0) return seconds + 'Z';
  return fmt::format("{}.{:09}Z", seconds, time.nanoseconds);
}

const LayerInfo* LayerAt(const std::vector<LayerInfo>& layers,
                         LayerPosition position) {
  return position < layers.size() ? &layers[position] : nullptr;
}

// As setfattr(1) takes it: the text, or "0x" and the digits of its bytes.
std::string XattrText(const std::string& value) {
  const bool looks_encoded =
      value.starts_with('0') && value.find_first_of("xXsS") == 1;
  if (IsUtf8(value) && value.find('\0') == std::string::npos &&
      !looks_encoded) {
    return value;
  }
  std::string text = "0x";
  for (const char c : value) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

Result<Json> NodeToJson(DiffTree& tree, const std::vector<LayerInfo>& layers,
                        Ino ino) {
  IMGMOUNT_TRY(const Inode inode, tree.Get(ino));
  Json node;
  node["type"] = TypeName(inode.mode);
  node["mode"] = fmt::format("{:04o}", inode.mode & 07777);
  node["uid"] = inode.uid;
  node["gid"] = inode.gid;
  if (S_ISREG(inode.mode)) node["size"] = inode.size;
  if (S_ISLNK(inode.mode)) {
    IMGMOUNT_TRY(node["target"], tree.SymlinkTarget(ino));
  }
  if (S_ISCHR(inode.mode) || S_ISBLK(inode.mode)) {
    node["device"] =
        fmt::format("{}:{}", inode.device_major, inode.device_minor);
  }
  node["mtime"] = TimeText(inode.mtime);
  IMGMOUNT_TRY(const auto xattrs, tree.Xattrs(ino));
  for (const Xattr& xattr : xattrs) {
    node["xattrs"][xattr.name] = XattrText(xattr.value);
  }
  if (const LayerInfo* layer = LayerAt(layers, inode.layer)) {
    node.update(LayerToJson(*layer));
  }
  return node;
}

Result<const LayerInfo*> Deleter(const Comparison& comparison,
                                 const std::string& path) {
  if (!comparison.who_deleted) return nullptr;
  IMGMOUNT_TRY(const auto layer, comparison.who_deleted(path));
  return layer ? LayerAt(comparison.layers_b, *layer) : nullptr;
}

std::string_view Colour(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kAdded:
      return "\x1b[32m";
    case ChangeKind::kDeleted:
      return "\x1b[31m";
    case ChangeKind::kChanged:
      return "\x1b[33m";
  }
  return "";
}

}  // namespace

Status AppendBlame(const Comparison& comparison, const Change& change,
                   const std::string& path, std::string& text) {
  if (change.kind != ChangeKind::kAdded) {
    IMGMOUNT_TRY(const Inode inode, comparison.a.Get(change.a));
    if (const auto* layer = LayerAt(comparison.layers_a, inode.layer)) {
      text += "  < " + LayerToText(*layer) + '\n';
    }
  }
  const LayerInfo* layer = nullptr;
  if (change.kind == ChangeKind::kDeleted) {
    IMGMOUNT_TRY(layer, Deleter(comparison, path));
  } else {
    IMGMOUNT_TRY(const Inode inode, comparison.b.Get(change.b));
    layer = LayerAt(comparison.layers_b, inode.layer);
  }
  if (layer != nullptr) text += "  > " + LayerToText(*layer) + '\n';
  return {};
}

std::string KindText(ChangeKind kind, bool colour) {
  std::string text(1, static_cast<char>(kind));
  if (colour) text.insert(0, Colour(kind)).append("\x1b[m");
  return text;
}

std::string JsonText(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json LayerToJson(const LayerInfo& layer) {
  return {{"layer", layer.number},
          {"digest", layer.digest.text()},
          {"created_by", layer.created_by}};
}

std::string LayerToText(const LayerInfo& layer) {
  return fmt::format("{} sha256:{} {}", layer.number, layer.digest.short_hex(),
                     Printable(layer.created_by));
}

Status WriteText(const Comparison& comparison, const TextStyle& style,
                 std::ostream& out) {
  std::string text;
  for (const Change& change : comparison.list.changes) {
    text = KindText(change.kind, style.colour);
    if (style.what) {
      text += ' ';
      text += change.what == 0
                  ? "-"
                  : fmt::to_string(fmt::join(WhatNames(change.what), ","));
    }
    const std::string path = comparison.list.Path(change);
    text.append(1, ' ').append(Printable(path)).append(1, '\n');
    if (style.blame) {
      IMGMOUNT_CHECK(AppendBlame(comparison, change, path, text));
    }
    if (!(out << text)) break;
  }
  return {};
}

Status WriteJson(const Comparison& comparison, std::ostream& out) {
  out << '[';
  const char* separator = "\n";
  for (const Change& change : comparison.list.changes) {
    const std::string path = comparison.list.Path(change);
    Json element;
    element["path"] = path;
    if (!IsUtf8(path)) {
      std::string hex;
      for (const unsigned char c : path) hex += fmt::format("{:02x}", c);
      element["path_hex"] = hex;
    }
    element["kind"] = std::string(1, static_cast<char>(change.kind));
    if (change.kind == ChangeKind::kChanged) {
      element["what"] = WhatNames(change.what);
    }
    if (change.kind != ChangeKind::kAdded) {
      IMGMOUNT_TRY(element["a"],
                   NodeToJson(comparison.a, comparison.layers_a, change.a));
    }
    if (change.kind != ChangeKind::kDeleted) {
      IMGMOUNT_TRY(element["b"],
                   NodeToJson(comparison.b, comparison.layers_b, change.b));
    } else {
      IMGMOUNT_TRY(const LayerInfo* layer, Deleter(comparison, path));
      if (layer != nullptr) element["deleted_by"] = LayerToJson(*layer);
    }
    if (!(out << separator << JsonText(element))) break;
    separator = ",\n";
  }
  out << "\n]";
  return {};
}

}  // namespace imgmount
