// SPDX-License-Identifier: Apache-2.0
#include "meta/changes/git_patch.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <ostream>

#include "meta/changes/git_binary.h"
#include "meta/changes/unified_diff.h"
#include "meta/diff/tree_lookup.h"

namespace imgmount {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{64} << 20;
constexpr char kNowhere[] = "/dev/null";

// A file as git knows it.
struct GitFile {
  Inode inode;
  uint32_t mode;  // 0100644, 0100755, 0120000
};

// nullopt for what git does not keep: directories, devices, nothing.
Result<std::optional<GitFile>> GitFileOf(DiffTree& tree, Ino ino) {
  std::optional<GitFile> file;
  if (ino == Ino()) return file;
  IMGMOUNT_TRY(const Inode inode, tree.Get(ino));
  if (S_ISLNK(inode.mode)) file = GitFile{inode, S_IFLNK};
  if (S_ISREG(inode.mode)) {
    const bool runs = (inode.mode & S_IXUSR) != 0;
    file = GitFile{inode, S_IFREG | (runs ? 0755u : 0644u)};
  }
  return file;
}

// nullopt for what is too large to show.
Result<std::optional<std::string>> ContentOf(
    DiffTree& tree, const std::optional<GitFile>& file) {
  if (!file) return std::optional(std::string());
  if (S_ISLNK(file->mode)) {
    IMGMOUNT_TRY(std::string target, tree.SymlinkTarget(file->inode.ino));
    return std::optional(std::move(target));
  }
  if (file->inode.size > kMaxTextBytes) return std::optional<std::string>();
  IMGMOUNT_TRY(std::string bytes, ReadWhole(tree, file->inode, kMaxTextBytes));
  return std::optional(std::move(bytes));
}

Result<std::string> BlobIdOf(DiffTree& tree, const std::optional<GitFile>& file,
                             const std::optional<std::string>& content) {
  if (!file) return std::string(kNoGitBlob);
  return content ? GitBlobId(*content) : GitBlobId(tree, file->inode);
}

// patch(1) takes a name to end at the first blank unless a tab follows.
std::string Label(const std::string& name) {
  return name.find(' ') == std::string::npos ? name : name + '\t';
}

class Writer {
 public:
  Writer(const Comparison& comparison, const TextStyle& style,
         std::ostream& out)
      : comparison_(comparison), style_(style), out_(out) {}

  Status Write(const Change& change) {
    IMGMOUNT_TRY(const auto a, GitFileOf(comparison_.a, change.a));
    IMGMOUNT_TRY(const auto b, GitFileOf(comparison_.b, change.b));
    if (!a && !b) return {};
    const bool changes_content =
        !a || !b || (change.what & (kWhatContent | kWhatTarget | kWhatType));
    if (!changes_content && a->mode == b->mode) return {};
    path_ = comparison_.list.Path(change);
    if (style_.blame) {
      std::string blame;
      IMGMOUNT_CHECK(AppendBlame(comparison_, change, path_, blame));
      out_ << blame;
    }
    // To git another type is another file.
    if (a && b && (a->mode & S_IFMT) != (b->mode & S_IFMT)) {
      IMGMOUNT_CHECK(WriteFile(a, {}, true));
      return WriteFile({}, b, true);
    }
    return WriteFile(a, b, changes_content);
  }

 private:
  void Meta(const std::string& line) {
    out_ << (style_.colour ? "\x1b[1m" : "") << line
         << (style_.colour ? "\x1b[m\n" : "\n");
  }

  Status WriteFile(const std::optional<GitFile>& a,
                   const std::optional<GitFile>& b, bool changes_content) {
    const std::string name_a = GitQuoted("a" + path_);
    const std::string name_b = GitQuoted("b" + path_);
    Meta(fmt::format("diff --git {} {}", name_a, name_b));
    if (!a) {
      Meta(fmt::format("new file mode {:06o}", b->mode));
    } else if (!b) {
      Meta(fmt::format("deleted file mode {:06o}", a->mode));
    } else if (a->mode != b->mode) {
      Meta(fmt::format("old mode {:06o}", a->mode));
      Meta(fmt::format("new mode {:06o}", b->mode));
    }
    if (!changes_content) return {};
    const std::string label_a = a ? name_a : kNowhere;
    const std::string label_b = b ? name_b : kNowhere;
    auto content_a = ContentOf(comparison_.a, a);
    if (!content_a) return Failure(std::move(content_a).error().In(path_));
    auto content_b = ContentOf(comparison_.b, b);
    if (!content_b) return Failure(std::move(content_b).error().In(path_));
    if (!*content_a || !*content_b || !IsText(**content_a) ||
        !IsText(**content_b)) {
      // git wants to know what it would change, even where it is left out.
      IMGMOUNT_TRY(const auto id_a, BlobIdOf(comparison_.a, a, *content_a));
      IMGMOUNT_TRY(const auto id_b, BlobIdOf(comparison_.b, b, *content_b));
      const bool one_mode = a && b && a->mode == b->mode;
      Meta(fmt::format("index {}..{}{}", id_a, id_b,
                       one_mode ? fmt::format(" {:06o}", a->mode) : ""));
      if (style_.binary && *content_a && *content_b) {
        out_ << "GIT binary patch\n"
             << GitLiteral(**content_b) << GitLiteral(**content_a);
      } else {
        out_ << fmt::format("Binary files {} and {} differ\n", label_a,
                            label_b);
      }
      return {};
    }
    IMGMOUNT_TRY(
        const std::string hunks,
        UnifiedDiff(**content_a, **content_b, Label(label_a), Label(label_b)));
    WriteHunks(hunks);
    return {};
  }

  void WriteHunks(std::string_view hunks) {
    if (!style_.colour) {
      out_ << hunks;
      return;
    }
    for (int number = 0; !hunks.empty(); ++number) {
      const size_t end = std::min(hunks.find('\n'), hunks.size() - 1);
      const std::string_view line = hunks.substr(0, end);
      const char* colour = number < 2              ? "\x1b[1m"
                           : line.starts_with('@') ? "\x1b[36m"
                           : line.starts_with('-') ? "\x1b[31m"
                           : line.starts_with('+') ? "\x1b[32m"
                                                   : "";
      out_ << colour << line << (*colour != '\0' ? "\x1b[m\n" : "\n");
      hunks.remove_prefix(end + 1);
    }
  }

  const Comparison& comparison_;
  const TextStyle& style_;
  std::ostream& out_;
  std::string path_;
};

}  // namespace

std::string GitQuoted(std::string_view path) {
  const auto is_plain = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\';
  };
  if (std::all_of(path.begin(), path.end(), is_plain)) return std::string(path);
  std::string quoted = "\"";
  for (const char c : path) {
    if (is_plain(c)) {
      quoted += c;
    } else if (c == '"' || c == '\\') {
      quoted.append(1, '\\').append(1, c);
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else {
      quoted += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
  }
  return quoted + '"';
}

Status WriteGitPatch(const Comparison& comparison, const TextStyle& style,
                     std::ostream& out) {
  Writer writer(comparison, style, out);
  for (const Change& change : comparison.list.changes) {
    if (!out) break;
    IMGMOUNT_CHECK(writer.Write(change));
  }
  return {};
}

}  // namespace imgmount
