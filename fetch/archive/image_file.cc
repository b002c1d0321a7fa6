// SPDX-License-Identifier: Apache-2.0
#include "fetch/archive/image_file.h"

#include <archive.h>
#include <archive_entry.h>

#include <string_view>
#include <system_error>

#include "fetch/archive/decompress.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlock = 64 << 10;
// A message may not take longer than this takes to read.
constexpr la_int64_t kMaxBytes = 256 << 20;
constexpr int kMaxEntries = 100'000;

bool IsRegularFile(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string TransportOfArchive(const fs::path& path) {
  const ArchiveReader reader = MakeArchiveReader();
  archive_read_support_format_tar(reader.get());
  if (archive_read_open_filename(reader.get(), path.c_str(), kBlock) !=
      ARCHIVE_OK) {
    return "";
  }
  bool has_index = false;
  archive_entry* entry = nullptr;
  for (int n = 0; n < kMaxEntries; ++n) {
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) break;
    if (archive_filter_bytes(reader.get(), 0) > kMaxBytes &&
        archive_filter_count(reader.get()) > 1) {
      break;
    }
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr) continue;
    const fs::path inside = fs::path(name).lexically_normal();
    if (inside == "manifest.json") return "docker-archive:";
    has_index = has_index || inside == "index.json";
  }
  return has_index ? "oci-archive:" : "";
}

}  // namespace

std::string TransportOf(const fs::path& path) {
  if (IsRegularFile(path / "oci-layout")) return "oci:";
  return IsRegularFile(path) ? TransportOfArchive(path) : "";
}

}  // namespace imgmount
