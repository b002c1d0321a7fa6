#include "meta/store/starts_file.h"

#include <array>

#include "meta/base/file.h"
#include "meta/base/wire.h"
#include "meta/base/xxh3.h"

namespace imgmount {
namespace {

// The file: StartsHeader; for each start, uint64_t the number of its parts and
// then these.
struct StartsHeader {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t start_count;
  uint64_t checksum;  // XXH3-64 of what follows, seeded by the subject
};
static_assert(sizeof(StartsHeader) == 24 && sizeof(StartPart) == 16);

constexpr std::array<char, 8> kMagic = {'I', 'M', 'G', 'S', 'T', 'A', 'R', 'T'};
constexpr uint32_t kVersion = 3;
constexpr size_t kMaxBytes =
    sizeof(StartsHeader) +
    kMaxStarts * (sizeof(uint64_t) + kMaxStartParts * sizeof(StartPart));

uint64_t Checksum(const void* bytes, size_t size, std::string_view subject) {
  return XXH3_64bits_withSeed(bytes, size, SubjectSeed(subject));
}

Failure Damaged() {
  return Fail(ErrorCode::kCorrupt, "damaged list of program starts");
}

}  // namespace

std::string FormatStarts(std::span<const ProgramStart> starts,
                         std::string_view subject) {
  std::string body;
  for (const ProgramStart& start : starts) {
    AppendWire(body, uint64_t{start.size()});
    for (const StartPart& part : start) AppendWire(body, part);
  }
  std::string bytes;
  AppendWire(bytes, StartsHeader{kMagic, kVersion,
                                 static_cast<uint32_t>(starts.size()),
                                 Checksum(body.data(), body.size(), subject)});
  return bytes + body;
}

Result<std::vector<ProgramStart>> ParseStarts(std::span<const std::byte> bytes,
                                              std::string_view subject) {
  const auto header = ReadWire<StartsHeader>(bytes, 0);
  if (!header || header->magic != kMagic || header->version != kVersion ||
      header->start_count > kMaxStarts) {
    return Damaged();
  }
  const auto body = bytes.subspan(sizeof(StartsHeader));
  if (Checksum(body.data(), body.size(), subject) != header->checksum) {
    return Damaged();
  }
  std::vector<ProgramStart> starts(header->start_count);
  size_t at = 0;
  for (ProgramStart& start : starts) {
    const auto count = ReadWire<uint64_t>(body, at);
    if (!count || *count == 0 || *count > kMaxStartParts) return Damaged();
    at += sizeof *count;
    for (uint64_t i = 0; i < *count; ++i, at += sizeof(StartPart)) {
      const auto part = ReadWire<StartPart>(body, at);
      if (!part || part->length == 0 || part->length > kMaxStartPartBytes) {
        return Damaged();
      }
      start.push_back(*part);
    }
  }
  if (at != body.size()) return Damaged();
  return starts;
}

Result<std::vector<ProgramStart>> ReadStarts(const std::filesystem::path& path,
                                             std::string_view subject) {
  IMGMOUNT_TRY(const std::string bytes, ReadFile(path, kMaxBytes));
  return ParseStarts(std::as_bytes(std::span(bytes)), subject);
}

Status WriteStarts(const std::filesystem::path& path,
                   std::span<const ProgramStart> starts,
                   std::string_view subject) {
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::Create(path));
  IMGMOUNT_CHECK(file.Write(FormatStarts(starts, subject)));
  return file.Commit();
}

}  // namespace imgmount
