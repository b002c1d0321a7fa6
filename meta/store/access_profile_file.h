// SPDX-License-Identifier: Apache-2.0
// The access profiles of an image on disk: which parts of its files were read
// as a program started, in that order (fs/read/access_profiles.h).
//
// Only ever a hint about what will be read: nothing that is shown depends on
// it, and a file that is damaged, or about other layers, is no file.
#ifndef IMGMOUNT_META_STORE_ACCESS_PROFILE_FILE_H_
#define IMGMOUNT_META_STORE_ACCESS_PROFILE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"
#include "meta/union/union_tree.h"

namespace imgmount {

// Bytes [offset, offset + length) of a file of the tree.
struct ProfilePart {
  uint64_t offset = 0;
  uint32_t ino = 0;
  uint32_t length = 0;

  bool operator==(const ProfilePart&) const = default;
};
using AccessProfile = std::vector<ProfilePart>;

inline constexpr size_t kMaxProfiles = 8;
inline constexpr size_t kMaxProfileParts = 2048;
inline constexpr uint32_t kMaxProfilePartBytes = 1 << 20;

// `subject` is whose they are (SubjectSeed). REQUIRES: no more of them
// than kMaxProfiles and kMaxProfileParts, each of 1 … kMaxProfilePartBytes.
std::string FormatProfiles(std::span<const AccessProfile> profiles,
                           std::string_view subject);
// kCorrupt: nothing is known.
Result<std::vector<AccessProfile>> ParseProfiles(
    std::span<const std::byte> bytes, std::string_view subject);

// The same in a file, which is replaced as a whole.
Result<std::vector<AccessProfile>> ReadProfiles(
    const std::filesystem::path& path, std::string_view subject);
Status WriteProfiles(const std::filesystem::path& path,
                     std::span<const AccessProfile> profiles,
                     std::string_view subject);

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_ACCESS_PROFILE_FILE_H_
