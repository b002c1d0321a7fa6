// SPDX-License-Identifier: Apache-2.0
#include "meta/gzip/isal_build.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <string>

namespace imgmount {
namespace {

// A note as ld writes it, padded to `alignment`.
std::string Note(uint32_t type, const std::string& owner,
                 const std::string& body, size_t alignment) {
  const Elf64_Nhdr header = {static_cast<uint32_t>(owner.size() + 1),
                             static_cast<uint32_t>(body.size()), type};
  std::string note(reinterpret_cast<const char*>(&header), sizeof header);
  const auto pad = [&] {
    note.resize((note.size() + alignment - 1) / alignment * alignment);
  };
  note += owner + '\0';
  pad();
  note += body;
  pad();
  return note;
}

TEST(IsalBuildTest, IsTheBuildIdBehindOtherNotes) {
  for (const size_t alignment : {4, 8}) {
    const std::string notes =
        Note(NT_GNU_PROPERTY_TYPE_0, "GNU", "odd", alignment) +
        Note(NT_GNU_BUILD_ID, "Other", "not ours", alignment) +
        Note(NT_GNU_BUILD_ID, "GNU", "01234567890123456789", alignment);
    EXPECT_EQ(FindBuildId(notes, alignment), "01234567890123456789");
    for (size_t size = 0; size < notes.size() - 4; ++size) {
      EXPECT_EQ(FindBuildId(notes.substr(0, size), alignment), "") << size;
    }
  }
}

TEST(IsalBuildTest, IsTheSameThroughoutAProcess) {
  EXPECT_NE(IsalBuild(), 0u);
  EXPECT_EQ(IsalBuild(), IsalBuild());
}

}  // namespace
}  // namespace imgmount
