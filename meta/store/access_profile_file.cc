// SPDX-License-Identifier: Apache-2.0
#include "meta/store/access_profile_file.h"

#include <array>

#include "meta/base/file.h"
#include "meta/base/regular_file.h"
#include "meta/base/wire.h"
#include "meta/base/xxh3.h"

namespace imgmount {
namespace {

// The file: ProfilesHeader; for each profile, uint64_t the number of its parts
// and then these.
struct ProfilesHeader {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t start_count;
  uint64_t checksum;  // XXH3-64 of what follows, seeded by the subject
};
static_assert(sizeof(ProfilesHeader) == 24 && sizeof(ProfilePart) == 16);

constexpr std::array<char, 8> kMagic = {'I', 'M', 'G', 'S', 'T', 'A', 'R', 'T'};
constexpr uint32_t kVersion = 3;
constexpr size_t kMaxBytes =
    sizeof(ProfilesHeader) +
    kMaxProfiles * (sizeof(uint64_t) + kMaxProfileParts * sizeof(ProfilePart));

uint64_t Checksum(const void* bytes, size_t size, std::string_view subject) {
  return XXH3_64bits_withSeed(bytes, size, SubjectSeed(subject));
}

Failure Damaged() {
  return Fail(ErrorCode::kCorrupt, "damaged access profiles");
}

}  // namespace

std::string FormatProfiles(std::span<const AccessProfile> profiles,
                           std::string_view subject) {
  std::string body;
  for (const AccessProfile& profile : profiles) {
    AppendWire(body, uint64_t{profile.size()});
    for (const ProfilePart& part : profile) AppendWire(body, part);
  }
  std::string bytes;
  AppendWire(
      bytes,
      ProfilesHeader{kMagic, kVersion, static_cast<uint32_t>(profiles.size()),
                     Checksum(body.data(), body.size(), subject)});
  return bytes + body;
}

Result<std::vector<AccessProfile>> ParseProfiles(
    std::span<const std::byte> bytes, std::string_view subject) {
  const auto header = ReadWire<ProfilesHeader>(bytes, 0);
  if (!header || header->magic != kMagic || header->version != kVersion ||
      header->start_count > kMaxProfiles) {
    return Damaged();
  }
  const auto body = bytes.subspan(sizeof(ProfilesHeader));
  if (Checksum(body.data(), body.size(), subject) != header->checksum) {
    return Damaged();
  }
  std::vector<AccessProfile> profiles(header->start_count);
  size_t at = 0;
  for (AccessProfile& profile : profiles) {
    const auto count = ReadWire<uint64_t>(body, at);
    if (!count || *count == 0 || *count > kMaxProfileParts) return Damaged();
    at += sizeof *count;
    for (uint64_t i = 0; i < *count; ++i, at += sizeof(ProfilePart)) {
      const auto part = ReadWire<ProfilePart>(body, at);
      if (!part || part->length == 0 || part->length > kMaxProfilePartBytes) {
        return Damaged();
      }
      profile.push_back(*part);
    }
  }
  if (at != body.size()) return Damaged();
  return profiles;
}

Result<std::vector<AccessProfile>> ReadProfiles(
    const std::filesystem::path& path, std::string_view subject) {
  IMGMOUNT_TRY(const std::string bytes, ReadRegularFile(path, kMaxBytes));
  return ParseProfiles(std::as_bytes(std::span(bytes)), subject);
}

Status WriteProfiles(const std::filesystem::path& path,
                     std::span<const AccessProfile> profiles,
                     std::string_view subject) {
  IMGMOUNT_TRY(AtomicFile file, AtomicFile::Create(path));
  IMGMOUNT_CHECK(file.Write(FormatProfiles(profiles, subject)));
  return file.Commit();
}

}  // namespace imgmount
