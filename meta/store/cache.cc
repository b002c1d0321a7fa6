// SPDX-License-Identifier: Apache-2.0
#include "meta/store/cache.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <variant>

#include "meta/base/beneath.h"
#include "meta/base/regular_file.h"
#include "meta/image/json.h"
#include "meta/image/layout_index.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace fs = std::filesystem;
namespace {

constexpr char kLayoutFile[] = "oci-layout";
constexpr char kIndexFile[] = "index.json";
constexpr char kIndexLock[] = "index";
constexpr size_t kMaxLayoutBytes = 4 << 10;
constexpr std::string_view kLayoutVersion = R"({"imageLayoutVersion":"1.0.0"})";

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Status WriteFile(const fs::path& path, std::string_view bytes) {
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::Create(path));
  IMGMOUNT_CHECK(file.Write(bytes));
  return file.Commit();
}

// A path that is not there is a matter of the local system here: kNotFound is
// for images.
Failure AsIo(const Error& error) {
  return Fail(ErrorCode::kIo, error.message());
}

std::string LayerLockName(const Digest& layer) {
  return "layer-" + std::string(layer.hex());
}

std::string UserName(uid_t user) {
  const struct passwd* found = ::getpwuid(user);
  return found == nullptr ? fmt::format("user {}", user) : found->pw_name;
}

// Made if missing, and ours alone to change: whoever else could put a link in
// the place of something here while we write would choose where we write.
Status CheckFolder(const fs::path& cache, const char* sub) {
  constexpr char kElsewhere[] =
      "use another cache (--cache-dir, IMGMOUNT_CACHE)";
  const fs::path path = *sub == '\0' ? cache : cache / sub;
  auto folder = OpenFolderBeneath(cache, sub);
  if (!folder && folder.error().error_number() == ENOENT) {
    auto made = MakeDirectories(path);
    if (!made) return AsIo(made.error().In("cache folder"));
    folder = OpenFolderBeneath(cache, sub);
  }
  if (!folder && folder.error().error_number() == ENOTDIR) {
    return Fail(ErrorCode::kIo,
                fmt::format("{}: a link or a file in the place of a folder of "
                            "the cache; remove it, or {}",
                            path.string(), kElsewhere));
  }
  if (!folder) return AsIo(folder.error().In("cache folder"));
  struct stat stat;
  if (::fstat(folder->get(), &stat) != 0) {
    return FailErrno(path.string(), errno);
  }
  if (stat.st_uid != ::geteuid() && stat.st_uid != 0) {
    return Fail(
        ErrorCode::kIo,
        fmt::format("{}: this cache belongs to {}, who could change it at any "
                    "moment; read its images by oci:{}:NAME, or {}",
                    path.string(), UserName(stat.st_uid), cache.string(),
                    kElsewhere));
  }
  if ((stat.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
      (stat.st_mode & S_ISVTX) == 0) {
    return Fail(ErrorCode::kIo,
                fmt::format("{}: others could change this cache: chmod go-w, "
                            "or {}",
                            path.string(), kElsewhere));
  }
  return {};
}

// Not who is only called root in a user namespace (`unshare -r`).
bool IsMachinesRoot() {
  if (::geteuid() != 0) return false;
  std::ifstream map("/proc/self/uid_map");
  uint64_t inside = 0;
  uint64_t outside = 0;
  return !(map >> inside >> outside) || inside != 0 || outside == 0;
}

bool HasName(const nlohmann::ordered_json& descriptor, std::string_view name) {
  if (!descriptor.is_object()) return false;
  const auto annotations = descriptor.find("annotations");
  if (annotations == descriptor.end() || !annotations->is_object()) {
    return false;
  }
  const auto it = annotations->find(kRefNameAnnotation);
  return it != annotations->end() && it->is_string() && *it == name;
}

nlohmann::ordered_json Named(Descriptor descriptor, const std::string& name) {
  descriptor.annotations[kRefNameAnnotation] = name;
  return DescriptorJson(descriptor);
}

}  // namespace

std::optional<std::string> WhyTocIsWrong(const fs::path& folder) {
  constexpr size_t kMaxBytes = 64 << 10;
  const auto why = ReadRegularFile(folder / kWrongTocFile, kMaxBytes);
  if (!why) return std::nullopt;
  return why->substr(0, why->find('\n'));
}

fs::path Cache::DefaultFolder(const ToolIo& io) {
  if (const auto given = io.env("IMGMOUNT_CACHE"); given && !given->empty()) {
    return *given;
  }
  if (IsMachinesRoot()) return "/var/cache/imgmount";
  // The XDG specification has relative paths ignored.
  if (const auto xdg = io.env("XDG_CACHE_HOME"); xdg && xdg->starts_with('/')) {
    return fs::path(*xdg) / "imgmount";
  }
  if (const auto home = io.env("HOME"); home && !home->empty()) {
    return fs::path(*home) / ".cache" / "imgmount";
  }
  const struct passwd* user = ::getpwuid(::geteuid());
  return fs::path(user == nullptr ? "/" : user->pw_dir) / ".cache" / "imgmount";
}

bool Cache::IsThere(const fs::path& folder) {
  return Exists(folder / kLayoutFile);
}

Result<Cache> Cache::Open(const fs::path& folder) {
  const Cache cache(fs::absolute(folder), fs::absolute(folder));
  auto made = MakeDirectories(cache.folder_);
  if (!made) return AsIo(made.error().In("cache folder"));
  for (const char* sub :
       {"", "blobs", "blobs/sha256", "blobs/sha512", "imgmount",
        "imgmount/layers", "imgmount/trees", "imgmount/starts",
        "imgmount/partial", "imgmount/locks", "imgmount/mounts"}) {
    IMGMOUNT_CHECK(CheckFolder(cache.folder_, sub));
  }
  if (Exists(cache.folder_ / kLayoutFile) &&
      Exists(cache.folder_ / kIndexFile)) {
    return cache;
  }
  IMGMOUNT_TRY(const FileLock lock, cache.Lock(kIndexLock));
  if (!Exists(cache.folder_ / kIndexFile)) {
    IMGMOUNT_CHECK(WriteFile(cache.folder_ / kIndexFile, LayoutIndexJson({})));
  }
  if (!Exists(cache.folder_ / kLayoutFile)) {
    IMGMOUNT_CHECK(WriteFile(cache.folder_ / kLayoutFile, kLayoutVersion));
  }
  return cache;
}

Result<Cache> Cache::WithLayout(const fs::path& layout) const {
  const auto path = layout / kLayoutFile;
  auto text = ReadRegularFile(path, kMaxLayoutBytes);
  if (!text) {
    if (text.error().code() != ErrorCode::kNotFound)
      return Failure(text.error());
    return Fail(ErrorCode::kNotFound,
                fmt::format("{}: not an OCI image layout: it has no file {}",
                            layout.string(), kLayoutFile));
  }
  IMGMOUNT_TRY(const auto json,
               ParseJson(*text, path.string(), kMaxLayoutBytes));
  IMGMOUNT_TRY(const auto object, JsonObject::Of(json, path.string()));
  IMGMOUNT_TRY(const auto version, object.String("imageLayoutVersion"));
  if (!version.starts_with("1.")) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: image layout version {}; this program reads "
                            "version 1",
                            layout.string(), Quoted(version)));
  }
  return Cache(folder_, fs::absolute(layout));
}

fs::path Cache::BlobPath(const Digest& digest) const {
  return layout_ / "blobs" /
         (digest.algorithm() == DigestAlgorithm::kSha512 ? "sha512"
                                                         : "sha256") /
         digest.hex();
}

// Hex digits alone tell SHA-256 from SHA-512: by their number.
fs::path Cache::PartialPath(const Digest& digest) const {
  return folder_ / "imgmount" / "partial" / digest.hex();
}

fs::path Cache::LayerFolder(const Digest& digest) const {
  return folder_ / "imgmount" / "layers" / digest.hex();
}

fs::path Cache::ProfilesPath(std::string_view key) const {
  return folder_ / "imgmount" / "starts" / key;
}

fs::path Cache::TreePath(std::string_view key) const {
  return folder_ / "imgmount" / "trees" / key;
}

Result<FileLock> Cache::Lock(std::string_view name) const {
  return FileLock::Acquire(folder_ / "imgmount" / "locks" / name);
}

Result<std::optional<FileLock>> Cache::TryLock(std::string_view name) const {
  return FileLock::TryAcquire(folder_ / "imgmount" / "locks" / name);
}

Result<FileLock> Cache::LockLayer(const Digest& layer) const {
  return Lock(LayerLockName(layer));
}

Result<std::optional<FileLock>> Cache::TryLockLayer(const Digest& layer) const {
  return TryLock(LayerLockName(layer));
}

bool Cache::HasBlob(const Digest& digest) const {
  return Exists(BlobPath(digest));
}

Result<std::string> Cache::ReadBlob(const Digest& digest, size_t limit) const {
  const auto path = BlobPath(digest);
  auto bytes = ReadRegularFile(path, limit);
  if (!bytes) {
    if (bytes.error().code() != ErrorCode::kNotFound) return bytes;
    return Fail(
        ErrorCode::kNotFound,
        fmt::format("blob {} is not in {}", digest.text(), layout_.string()));
  }
  const Digest actual = DigestOf(*bytes, digest.algorithm());
  if (actual == digest) return bytes;
  return Fail(ErrorCode::kCorrupt, fmt::format("{}: damaged: its digest is {}",
                                               path.string(), actual.text()));
}

Result<Digest> Cache::WriteBlob(std::string_view bytes,
                                DigestAlgorithm algorithm) const {
  const Digest digest = DigestOf(bytes, algorithm);
  // Read, not only looked for: a damaged blob is replaced.
  if (ReadBlob(digest, bytes.size())) return digest;
  if (IsReadOnly()) {
    return Fail(
        ErrorCode::kNotFound,
        fmt::format("blob {} is not in {}", digest.text(), layout_.string()));
  }
  IMGMOUNT_CHECK(WriteFile(BlobPath(digest), bytes));
  return digest;
}

Result<std::vector<Descriptor>> Cache::ReadIndex() const {
  const auto path = layout_ / kIndexFile;
  IMGMOUNT_TRY(const std::string text,
               ReadRegularFile(path, kMaxManifestBytes));
  auto document = ParseManifestOrIndex(text, kOciIndex);
  if (document) return std::get<Index>(*std::move(document)).manifests;
  return DamagedIndex(document.error().In(path.string()));
}

Failure Cache::DamagedIndex(const Error& error) const {
  if (IsReadOnly()) return Failure(error);
  return Fail(error.code(),
              error.message() +
                  "; remove it and pull the images again: their layers stay");
}

Result<std::vector<Cache::IndexEntry>> Cache::ListAll() const {
  IMGMOUNT_TRY(const auto descriptors, ReadIndex());
  std::vector<IndexEntry> images;
  for (const Descriptor& descriptor : descriptors) {
    images.push_back({RefName(descriptor), descriptor});
  }
  return images;
}

Result<std::vector<Cache::IndexEntry>> Cache::List() const {
  IMGMOUNT_TRY(auto images, ListAll());
  std::erase_if(images, [](const auto& image) { return image.name.empty(); });
  return images;
}

Result<Descriptor> Cache::FindName(std::string_view name) const {
  IMGMOUNT_TRY(const auto descriptors, ReadIndex());
  auto found = FindInLayout(descriptors, name, Reader());
  if (!found) return Failure(std::move(found).error().In(layout_.string()));
  return found->front();
}

Result<ImageDocument> Cache::FindDocument(std::string_view selector) const {
  IMGMOUNT_TRY(const auto descriptors, ReadIndex());
  return FindLayoutDocument(descriptors, selector, Reader());
}

DocumentReader Cache::Reader() const {
  return DocumentReader::ByDigest([this](const Digest& digest, size_t limit) {
    return ReadBlob(digest, limit);
  });
}

Status Cache::EditIndex(const std::string& name,
                        const Descriptor* descriptor) const {
  if (IsReadOnly()) return {};
  IMGMOUNT_TRY(const FileLock lock, Lock(kIndexLock));
  const auto path = layout_ / kIndexFile;
  IMGMOUNT_TRY(const std::string text,
               ReadRegularFile(path, kMaxManifestBytes));
  auto parsed = ParseOrderedJson(text, path.string(), kMaxManifestBytes);
  if (!parsed) return DamagedIndex(parsed.error());
  auto& index = *parsed;
  if (!index.is_object()) {
    return DamagedIndex(
        Error(ErrorCode::kCorrupt, path.string() + ": must be an object"));
  }
  // Edited and not written anew: what other tools put there stays.
  auto& manifests = index["manifests"];
  if (manifests.is_null()) manifests = nlohmann::ordered_json::array();
  if (!manifests.is_array()) {
    return DamagedIndex(Error(ErrorCode::kCorrupt,
                              path.string() + ": manifests: must be an array"));
  }
  bool changed = false;
  for (auto it = manifests.begin(); it != manifests.end();) {
    if (!HasName(*it, name)) {
      ++it;
      continue;
    }
    changed = true;
    if (descriptor != nullptr) {
      *it++ = Named(*descriptor, name);
      descriptor = nullptr;
    } else {
      it = manifests.erase(it);
    }
  }
  if (descriptor != nullptr) {
    manifests.push_back(Named(*descriptor, name));
    changed = true;
  }
  if (!changed) return {};
  return WriteFile(path, index.dump());
}

Status Cache::SetName(const std::string& name,
                      const Descriptor& descriptor) const {
  return EditIndex(name, &descriptor);
}

Status Cache::RemoveName(const std::string& name) const {
  return EditIndex(name, nullptr);
}

Result<Image> Cache::Find(const Reference& reference,
                          const Platform& platform) const {
  if (reference.digest) {
    IMGMOUNT_TRY(std::string bytes,
                 ReadBlob(*reference.digest, kMaxManifestBytes));
    return SelectImage({std::move(bytes), "", *reference.digest}, platform,
                       Reader());
  }
  IMGMOUNT_TRY(const Descriptor descriptor, FindName(reference.Canonical()));
  return Load(descriptor, platform);
}

Result<Image> Cache::Load(const Descriptor& descriptor,
                          const Platform& platform) const {
  const DocumentReader reader = Reader();
  IMGMOUNT_TRY(const ImageDocument document, DocumentOf({descriptor}, reader));
  return SelectImage(document, platform, reader);
}

}  // namespace imgmount
