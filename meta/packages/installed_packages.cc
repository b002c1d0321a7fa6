// SPDX-License-Identifier: Apache-2.0
#include "meta/packages/installed_packages.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "meta/diff/tree_lookup.h"
#include "meta/packages/paragraphs.h"
#include "meta/packages/rpm_database.h"

namespace imgmount {
namespace {

namespace stdfs = std::filesystem;

constexpr uint64_t kMaxTextBytes = uint64_t{256} << 20;
constexpr uint64_t kMaxDatabaseBytes = uint64_t{1} << 30;

constexpr const char* kRpmFolders[] = {"usr/lib/sysimage/rpm", "var/lib/rpm",
                                       "usr/share/rpm"};

// nullopt where nothing is.
Result<std::optional<Inode>> FindIn(DiffTree& tree, const std::string& path) {
  auto found = ResolveIn(tree, path);
  if (found) return std::optional(*found);
  if (found.error().code() != ErrorCode::kNotFound) {
    return Failure(std::move(found).error());
  }
  return std::optional<Inode>();
}

Result<std::optional<std::string>> ReadIn(DiffTree& tree,
                                          const std::string& path,
                                          uint64_t limit) {
  IMGMOUNT_TRY(const auto file, FindIn(tree, path));
  if (!file || !S_ISREG(file->mode)) return std::optional<std::string>();
  auto bytes = ReadWhole(tree, *file, limit);
  if (!bytes) return Failure(std::move(bytes).error().In(path));
  return std::optional(*std::move(bytes));
}

void Append(std::vector<Package> more, std::vector<Package>& packages) {
  packages.insert(packages.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
}

Status AddDpkg(DiffTree& tree, std::vector<Package>& packages) {
  IMGMOUNT_TRY(const auto status,
               ReadIn(tree, "var/lib/dpkg/status", kMaxTextBytes));
  if (status) Append(ParseDpkgStatus(*status), packages);
  IMGMOUNT_TRY(const auto folder, FindIn(tree, "var/lib/dpkg/status.d"));
  if (!folder || !S_ISDIR(folder->mode)) return {};
  IMGMOUNT_TRY(const auto children, tree.Children(folder->ino));
  for (const DirEntry& child : children) {
    if (child.type != S_IFREG || child.name.ends_with(".md5sums")) continue;
    IMGMOUNT_TRY(const Inode file, tree.Get(child.ino));
    IMGMOUNT_TRY(const std::string text, ReadWhole(tree, file, kMaxTextBytes));
    Append(ParseDpkgStatus(text), packages);
  }
  return {};
}

Status AddApk(DiffTree& tree, std::vector<Package>& packages) {
  for (const char* path :
       {"lib/apk/db/installed", "usr/lib/apk/db/installed"}) {
    IMGMOUNT_TRY(const auto text, ReadIn(tree, path, kMaxTextBytes));
    if (!text) continue;
    Append(ParseApkInstalled(*text), packages);
    return {};
  }
  return {};
}

// A folder for as long as this lives.
class ScratchFolder {
 public:
  static Result<ScratchFolder> Make() {
    std::error_code error;
    std::string path = (stdfs::temp_directory_path(error) / "imgdiff.XXXXXX");
    if (error || ::mkdtemp(path.data()) == nullptr) {
      return FailErrno("a temporary folder", error ? ENOENT : errno);
    }
    return ScratchFolder(std::move(path));
  }
  ScratchFolder(ScratchFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})) {}
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) stdfs::remove_all(path_, ignored);
  }
  const stdfs::path& path() const { return path_; }

 private:
  explicit ScratchFolder(stdfs::path path) : path_(std::move(path)) {}
  stdfs::path path_;
};

Status WriteScratch(const stdfs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes << std::flush;
  return file ? Status() : FailErrno(path.string(), errno);
}

// The database goes to disk, as its write-ahead log may hold what is newest.
Status AddRpm(DiffTree& tree, std::vector<Package>& packages) {
  for (const std::string folder : kRpmFolders) {
    IMGMOUNT_TRY(const auto database,
                 ReadIn(tree, folder + "/rpmdb.sqlite", kMaxDatabaseBytes));
    if (database) {
      IMGMOUNT_TRY(const auto log, ReadIn(tree, folder + "/rpmdb.sqlite-wal",
                                          kMaxDatabaseBytes));
      IMGMOUNT_TRY(const ScratchFolder scratch, ScratchFolder::Make());
      const stdfs::path path = scratch.path() / "rpmdb.sqlite";
      IMGMOUNT_CHECK(WriteScratch(path, *database));
      if (log) IMGMOUNT_CHECK(WriteScratch(path.string() + "-wal", *log));
      IMGMOUNT_TRY(auto found, ReadRpmDatabase(path));
      Append(std::move(found), packages);
      return {};
    }
    for (const char* name : {"/Packages", "/Packages.db"}) {
      IMGMOUNT_TRY(const auto old, FindIn(tree, folder + name));
      if (!old) continue;
      return Fail(
          ErrorCode::kUnsupported,
          fmt::format(
              "/{}{}: rpm's {} databases cannot be read, only "
              "rpmdb.sqlite; convert it with rpmdb "
              "--rebuilddb",
              folder, name,
              std::string_view(name) == "/Packages" ? "Berkeley DB" : "ndb"));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Package>> InstalledPackages(DiffTree& tree) {
  std::vector<Package> packages;
  IMGMOUNT_CHECK(AddDpkg(tree, packages));
  IMGMOUNT_CHECK(AddApk(tree, packages));
  IMGMOUNT_CHECK(AddRpm(tree, packages));
  std::sort(packages.begin(), packages.end());
  packages.erase(std::unique(packages.begin(), packages.end()), packages.end());
  return packages;
}

}  // namespace imgmount
