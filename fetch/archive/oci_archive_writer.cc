// SPDX-License-Identifier: Apache-2.0
#include "fetch/archive/oci_archive_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "meta/base/file.h"
#include "meta/image/layout_index.h"
#include "meta/upkeep/inventory.h"

namespace imgmount {
namespace {

constexpr size_t kChunk = 1 << 20;
constexpr char kLayoutText[] = R"({"imageLayoutVersion":"1.0.0"})";

struct FreeWriter {
  void operator()(struct archive* writer) const { archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(struct archive_entry* entry) const {
    archive_entry_free(entry);
  }
};

class TarWriter {
 public:
  static Result<TarWriter> Open(int fd) {
    TarWriter tar;
    archive_write_set_format_pax_restricted(tar.writer_.get());
    if (archive_write_open_fd(tar.writer_.get(), fd) != ARCHIVE_OK) {
      return tar.Failed();
    }
    return tar;
  }

  Status Folder(const std::string& path) {
    return Header(path, AE_IFDIR, 0755, 0);
  }
  Status File(const std::string& path, uint64_t size) {
    return Header(path, AE_IFREG, 0644, size);
  }
  Status Write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const la_ssize_t n =
          archive_write_data(writer_.get(), bytes.data(), bytes.size());
      if (n <= 0) return Failed();
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return {};
  }
  Status Text(const std::string& path, std::string_view text) {
    IMGMOUNT_CHECK(File(path, text.size()));
    return Write(std::as_bytes(std::span(text)));
  }
  Status Close() {
    if (archive_write_close(writer_.get()) != ARCHIVE_OK) return Failed();
    return {};
  }

 private:
  Status Header(const std::string& path, unsigned type, unsigned mode,
                uint64_t size) {
    const std::unique_ptr<struct archive_entry, FreeEntry> entry(
        archive_entry_new());
    archive_entry_set_pathname(entry.get(), path.c_str());
    archive_entry_set_filetype(entry.get(), type);
    archive_entry_set_perm(entry.get(), mode);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    archive_entry_set_mtime(entry.get(), 0, 0);
    if (archive_write_header(writer_.get(), entry.get()) != ARCHIVE_OK) {
      return Failed();
    }
    return {};
  }

  Failure Failed() const {
    const int error = archive_errno(writer_.get());
    return FailErrno("writing the archive", error > 0 ? error : EIO);
  }

  std::unique_ptr<struct archive, FreeWriter> writer_{archive_write_new()};
};

Status WriteBlob(const Cache& cache, const Digest& digest, TarWriter& tar,
                 const std::function<bool()>& stopped) {
  const auto path = cache.BlobPath(digest);
  IMGMOUNT_TRY(const UniqueFd fd, OpenFile(path, O_RDONLY));
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return FailErrno(path.string(), error.value());
  IMGMOUNT_CHECK(tar.File(BlobItem(digest), size));
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
  IMGMOUNT_CHECK(tar.Text("oci-layout", kLayoutText));
  std::vector<Descriptor> entries;
  for (const Cache::IndexEntry& image : images) {
    entries.push_back(image.descriptor);
    entries.back().annotations[kRefNameAnnotation] = image.name;
  }
  IMGMOUNT_CHECK(tar.Text("index.json", LayoutIndexJson(entries)));
  IMGMOUNT_CHECK(tar.Folder("blobs"));
  std::string last_folder;
  for (const Digest& digest : blobs) {
    const std::string item = BlobItem(digest);
    const std::string folder = item.substr(0, item.rfind('/'));
    if (folder != last_folder) IMGMOUNT_CHECK(tar.Folder(folder));
    last_folder = folder;
    IMGMOUNT_CHECK(WriteBlob(cache, digest, tar, stopped));
  }
  return tar.Close();
}

}  // namespace imgmount
