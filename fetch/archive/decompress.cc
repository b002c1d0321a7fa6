// SPDX-License-Identifier: Apache-2.0
#include "fetch/archive/decompress.h"

#include <cerrno>
#include <optional>
#include <vector>

namespace imgmount {
namespace {

constexpr size_t kChunk = 512 << 10;

// The state of libarchive's callback.
struct Input {
  const ReadBytes& read;
  uint64_t position = 0;
  std::vector<std::byte> chunk = std::vector<std::byte>(kChunk);
  std::optional<Error> error = {};
};

la_ssize_t OnRead(struct archive* reader, void* data, const void** buffer) {
  auto& input = *static_cast<Input*>(data);
  auto n = input.read(input.position, input.chunk);
  if (!n) {
    input.error = std::move(n).error();
    archive_set_error(reader, EIO, "read error");
    return -1;
  }
  input.position += *n;
  *buffer = input.chunk.data();
  return static_cast<la_ssize_t>(*n);
}

}  // namespace

ArchiveReader MakeArchiveReader() {
  ArchiveReader reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_bzip2(reader.get());
  archive_read_support_filter_xz(reader.get());
  archive_read_support_filter_zstd(reader.get());
  return reader;
}

Status Decompress(const ReadBytes& read, const WriteBytes& write) {
  const ArchiveReader reader = MakeArchiveReader();
  archive_read_support_format_raw(reader.get());
  archive_read_support_format_empty(reader.get());
  Input input{.read = read};
  const auto failed = [&]() -> Failure {
    if (input.error) return Failure(*input.error);
    const char* text = archive_error_string(reader.get());
    return Fail(ErrorCode::kCorrupt,
                text == nullptr ? "cannot decompress" : text);
  };
  archive_entry* entry = nullptr;
  if (archive_read_open(reader.get(), &input, nullptr, OnRead, nullptr) !=
      ARCHIVE_OK) {
    return failed();
  }
  const int header = archive_read_next_header(reader.get(), &entry);
  if (header == ARCHIVE_EOF) return {};
  if (header != ARCHIVE_OK) return failed();
  while (true) {
    const void* data = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int status =
        archive_read_data_block(reader.get(), &data, &size, &offset);
    if (status == ARCHIVE_EOF) return {};
    if (status != ARCHIVE_OK) return failed();
    IMGMOUNT_CHECK(write({static_cast<const std::byte*>(data), size}));
  }
}

}  // namespace imgmount
