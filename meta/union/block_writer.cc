// SPDX-License-Identifier: Apache-2.0
#include "meta/union/block_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "meta/base/wire.h"
#include "meta/base/xxh3.h"

namespace imgmount {
namespace {

constexpr std::string_view kPadding("\0\0\0\0\0\0\0", 7);

}  // namespace

Result<BlockWriter> BlockWriter::Create(const std::filesystem::path& path) {
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::Create(path));
  IMGMOUNT_CHECK(file.Write(std::string(kTreeHeaderBytes, '\0')));
  BlockWriter writer(std::move(file));
  writer.block_.reserve(kTreeBlockBytes);
  return writer;
}

void BlockWriter::Begin(TreeSectionId section) {
  EndSection();
  section_ = section;
  sections_[section].offset = data_bytes_;
}

void BlockWriter::EndSection() {
  if (section_ == kSectionCount) return;
  sections_[section_].length = data_bytes_ - sections_[section_].offset;
  Append(kPadding.substr(0, -data_bytes_ % 8));
}

void BlockWriter::Append(std::string_view bytes) {
  data_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const size_t room = kTreeBlockBytes - block_.size();
    const auto part = bytes.substr(0, room);
    block_ += part;
    bytes.remove_prefix(part.size());
    if (block_.size() == kTreeBlockBytes) FlushBlock();
  }
}

void BlockWriter::FlushBlock() {
  if (block_.empty() || !status_) return;
  checksums_.push_back(XXH3_64bits(block_.data(), block_.size()));
  status_ = file_.Write(block_);
  block_.clear();
}

Status BlockWriter::Finish(TreeHeader header, std::string_view subject) {
  EndSection();
  FlushBlock();
  IMGMOUNT_CHECK(status_);
  const std::string_view table(reinterpret_cast<const char*>(checksums_.data()),
                               checksums_.size() * sizeof(uint64_t));
  IMGMOUNT_CHECK(file_.Write(table));

  header.magic = kTreeMagic;
  header.version = kTreeVersion;
  header.data_bytes = data_bytes_;
  header.sections = sections_;
  header.table_checksum = XXH3_64bits(table.data(), table.size());
  std::string first;
  AppendWire(first, header);
  first.resize(kTreeHeaderBytes - sizeof(uint64_t));
  AppendWire(first, uint64_t{XXH3_64bits_withSeed(first.data(), first.size(),
                                                  SubjectSeed(subject))});
  if (::lseek(file_.fd(), 0, SEEK_SET) != 0) return FailErrno("lseek", errno);
  IMGMOUNT_CHECK(file_.Write(first));
  return file_.Commit();
}

}  // namespace imgmount
