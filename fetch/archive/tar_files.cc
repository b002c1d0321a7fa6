// SPDX-License-Identifier: Apache-2.0
#include "fetch/archive/tar_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fetch/archive/decompress.h"
#include "meta/layer/first_pass.h"
#include "meta/tar/tar_header.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxEntries = 100'000;
constexpr int kMaxLinks = 8;
constexpr size_t kMaxRest = 1 << 20;

// "./blobs//x" as "blobs/x". Only ever looked up, so ".." does no harm.
std::string Normalised(const fs::path& path) {
  std::string text = path.lexically_normal().string();
  while (text.ends_with('/')) text.pop_back();
  while (text.starts_with('/')) text.erase(0, 1);
  return text;
}

// 0 at its end only.
Result<size_t> ReadPipe(int fd, std::span<std::byte> out) {
  while (true) {
    const ssize_t n = ::read(fd, out.data(), out.size());
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) return FailErrno("read", errno);
  }
}

Result<bool> IsCompressed(int fd) {
  std::byte first[16];
  IMGMOUNT_TRY(const size_t n, ReadAt(fd, first, 0));
  return DetectCompression(std::span(first).first(n)) != Compression::kNone;
}

}  // namespace

Result<UniqueFd> MakeScratchFile(const fs::path& folder) {
  std::string name = (folder / "unpacked-XXXXXX").string();
  UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) return FailErrno(name, errno);
  ::unlink(name.c_str());
  return fd;
}

Result<TarFiles> TarFiles::Open(const fs::path& archive,
                                const fs::path& scratch) {
  IMGMOUNT_TRY(UniqueFd file, OpenInput(archive));
  return FromFile(std::move(file), archive.string(), scratch);
}

Result<TarFiles> TarFiles::FromFile(UniqueFd archive, std::string name,
                                    const fs::path& scratch) {
  TarFiles files;
  files.name_ = std::move(name);
  files.fd_ = std::move(archive);
  const bool is_pipe = ::lseek(files.fd_.get(), 0, SEEK_CUR) < 0;
  auto unpack = is_pipe ? true : IsCompressed(files.fd_.get());
  if (!unpack) return Failure(unpack.error().In(files.name_));
  if (*unpack) {
    IMGMOUNT_TRY(UniqueFd unpacked, MakeScratchFile(scratch));
    auto done = Decompress(
        [&](uint64_t offset, std::span<std::byte> out) {
          return is_pipe ? ReadPipe(files.fd_.get(), out)
                         : ReadAt(files.fd_.get(), out, offset);
        },
        [&](std::span<const std::byte> bytes) {
          return WriteAll(unpacked.get(), bytes);
        });
    if (!done) return Failure(done.error().In(files.name_));
    files.fd_ = std::move(unpacked);
  }
  if (auto listed = files.List(); !listed) {
    return Failure(listed.error().In(files.name_));
  }
  return files;
}

// Special headers with nothing behind them are a tar's end, as layers have it.
bool TarFiles::IsEnd(uint64_t offset) const {
  std::string rest(kMaxRest, '\0');
  const auto n =
      ReadAt(fd_.get(), std::as_writable_bytes(std::span(rest)), offset);
  if (!n) return false;
  rest.resize(*n);
  return EndsAfterSpecialHeaders(rest);
}

Status TarFiles::List() {
  const ArchiveReader reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  const auto failed = [&]() -> Failure {
    const char* text = archive_error_string(reader.get());
    return Fail(ErrorCode::kCorrupt,
                fmt::format("not a readable tar archive ({})",
                            text == nullptr ? "unknown format" : text));
  };
  if (::lseek(fd_.get(), 0, SEEK_SET) != 0) return FailErrno("seek", errno);
  if (archive_read_open_fd(reader.get(), fd_.get(), 64 << 10) != ARCHIVE_OK) {
    return failed();
  }
  archive_entry* entry = nullptr;
  while (true) {
    // After a failure it tells no position any more.
    if (entry != nullptr &&
        archive_read_data_skip(reader.get()) < ARCHIVE_WARN) {
      return failed();
    }
    const auto at =
        static_cast<uint64_t>(archive_filter_bytes(reader.get(), 0));
    const int status = archive_read_next_header(reader.get(), &entry);
    if (status == ARCHIVE_EOF) return {};
    // ARCHIVE_WARN is about names that are no text, which is no matter here.
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
      if (IsEnd(at)) return {};
      return failed();
    }
    const char* path = archive_entry_pathname(entry);
    if (path == nullptr) continue;
    if (entries_.size() >= kMaxEntries) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("more than {} files", kMaxEntries));
    }
    Entry known;
    const fs::path name = path;
    if (const char* target = archive_entry_hardlink(entry)) {
      known.link = Normalised(target);
    } else if (archive_entry_filetype(entry) == AE_IFLNK) {
      const char* symlink = archive_entry_symlink(entry);
      if (symlink == nullptr) continue;
      known.link = Normalised(name.parent_path() / symlink);
    } else if (archive_entry_filetype(entry) == AE_IFREG) {
      known.run = {static_cast<uint64_t>(archive_filter_bytes(reader.get(), 0)),
                   static_cast<uint64_t>(
                       std::max<la_int64_t>(archive_entry_size(entry), 0))};
    } else {
      continue;
    }
    entries_[Normalised(name)] = std::move(known);
  }
}

Result<TarFiles::Run> TarFiles::Find(const std::string& path) const {
  std::string wanted = Normalised(path);
  for (int links = 0; links <= kMaxLinks; ++links) {
    const auto found = entries_.find(wanted);
    if (found == entries_.end()) {
      if (links == 0) {
        return Fail(ErrorCode::kNotFound,
                    fmt::format("{}: has no file {}", name_, path));
      }
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{}: {} is a link to {}, which is not in it",
                              name_, path, wanted));
    }
    if (found->second.link.empty()) return found->second.run;
    wanted = found->second.link;
  }
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{}: {} is a loop of links", name_, path));
}

Result<size_t> TarFiles::Read(const Run& run, uint64_t offset,
                              std::span<std::byte> out) const {
  if (offset >= run.size) return 0;
  const auto n = std::min<uint64_t>(out.size(), run.size - offset);
  auto done = ReadAt(fd_.get(), out.first(n), run.offset + offset);
  if (!done) return Failure(done.error().In(name_));
  if (*done < n) {
    return Fail(ErrorCode::kCorrupt, name_ + ": the archive is cut short");
  }
  return done;
}

Result<std::string> TarFiles::ReadText(const std::string& path,
                                       size_t limit) const {
  IMGMOUNT_TRY(const Run run, Find(path));
  if (run.size > limit) {
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("{}: {} is larger than {} bytes", name_, path, limit));
  }
  std::string text(run.size, '\0');
  IMGMOUNT_CHECK(Read(run, 0, std::as_writable_bytes(std::span(text))));
  return text;
}

}  // namespace imgmount
