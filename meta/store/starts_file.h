// The starts of programs out of an image, as they were seen: which parts of
// its files were read, in that order (fs/starts.h says what for).
//
// Only ever a hint about what will be read: nothing that is shown depends on
// it, and a file that is damaged, or about other layers, is no file.
#ifndef IMGMOUNT_META_STORE_STARTS_FILE_H_
#define IMGMOUNT_META_STORE_STARTS_FILE_H_

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
struct StartPart {
  uint64_t offset = 0;
  uint32_t ino = 0;
  uint32_t length = 0;

  bool operator==(const StartPart&) const = default;
};
using ProgramStart = std::vector<StartPart>;

inline constexpr size_t kMaxStarts = 8;
inline constexpr size_t kMaxStartParts = 2048;
inline constexpr uint32_t kMaxStartPartBytes = 1 << 20;

// `subject` is whose starts they are (SubjectSeed). REQUIRES: no more of them
// than kMaxStarts and kMaxStartParts, each of 1 … kMaxStartPartBytes.
std::string FormatStarts(std::span<const ProgramStart> starts,
                         std::string_view subject);
// kCorrupt: nothing is known.
Result<std::vector<ProgramStart>> ParseStarts(std::span<const std::byte> bytes,
                                              std::string_view subject);

// The same in a file, which is replaced as a whole.
Result<std::vector<ProgramStart>> ReadStarts(const std::filesystem::path& path,
                                             std::string_view subject);
Status WriteStarts(const std::filesystem::path& path,
                   std::span<const ProgramStart> starts,
                   std::string_view subject);

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_STARTS_FILE_H_
