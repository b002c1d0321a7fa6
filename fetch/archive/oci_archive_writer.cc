// SPDX-License-Identifier: Apache-2.0
#include "fetch/archive/oci_archive_writer.h"

#include <fcntl.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "meta/base/file.h"
#include "meta/base/regular_file.h"
#include "meta/image/layout_index.h"
#include "meta/tar/tar_writer.h"
#include "meta/upkeep/inventory.h"

namespace imgmount {
namespace {

constexpr size_t kChunk = 1 << 20;
constexpr char kLayoutText[] = R"({"imageLayoutVersion":"1.0.0"})";

Status AddFolder(const std::string& path, TarWriter& tar) {
  LayerEntry folder;
  folder.path = path;
  folder.type = EntryType::kDirectory;
  folder.mode = 0755;
  return tar.Add(folder);
}

Status AddFile(const std::string& path, uint64_t size, TarWriter& tar) {
  LayerEntry file;
  file.path = path;
  file.mode = 0644;
  file.size = size;
  if (size > 0) file.extents = {{0, size, 0}};
  return tar.Add(file);
}

Status AddText(const std::string& path, std::string_view text, TarWriter& tar) {
  IMGMOUNT_CHECK(AddFile(path, text.size(), tar));
  return tar.Write(std::as_bytes(std::span(text)));
}

Status WriteBlob(const Cache& cache, const Digest& digest, TarWriter& tar,
                 const std::function<bool()>& stopped) {
  const auto path = cache.BlobPath(digest);
  IMGMOUNT_TRY(const UniqueFd fd, OpenRegularFile(path));
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return FailErrno(path.string(), error.value());
  IMGMOUNT_CHECK(AddFile(BlobItem(digest), size, tar));
  Hasher hasher(digest.algorithm());
  std::vector<std::byte> chunk(kChunk);
  for (uint64_t offset = 0; offset < size;) {
    if (stopped()) return Fail(ErrorCode::kCancelled, "interrupted");
    IMGMOUNT_TRY(const size_t n, ReadAt(fd.get(), chunk, offset));
    if (n == 0) break;
    hasher.Update(std::span(chunk).first(n));
    IMGMOUNT_CHECK(tar.Write(std::span(chunk).first(n)));
    offset += n;
  }
  if (hasher.FinishDigest() == digest) return {};
  return Fail(ErrorCode::kCorrupt,
              path.string() + ": damaged; see imgcache verify --repair");
}

}  // namespace

Status WriteOciArchive(const Cache& cache,
                       const std::vector<Cache::IndexEntry>& images,
                       const std::set<Digest>& blobs, int fd,
                       const std::function<bool()>& stopped) {
  IMGMOUNT_TRY(TarWriter tar, TarWriter::Open(fd));
  IMGMOUNT_CHECK(AddText("oci-layout", kLayoutText, tar));
  std::vector<Descriptor> entries;
  for (const Cache::IndexEntry& image : images) {
    entries.push_back(image.descriptor);
    entries.back().annotations[kRefNameAnnotation] = image.name;
  }
  IMGMOUNT_CHECK(AddText("index.json", LayoutIndexJson(entries), tar));
  IMGMOUNT_CHECK(AddFolder("blobs", tar));
  std::string last_folder;
  for (const Digest& digest : blobs) {
    const std::string item = BlobItem(digest);
    const std::string folder = item.substr(0, item.rfind('/'));
    if (folder != last_folder) IMGMOUNT_CHECK(AddFolder(folder, tar));
    last_folder = folder;
    IMGMOUNT_CHECK(WriteBlob(cache, digest, tar, stopped));
  }
  return tar.Close();
}

}  // namespace imgmount
