// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/program_start.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <string>

#include "meta/base/file.h"

namespace imgmount {
namespace {

bool Holds(const std::string& bytes, uint64_t offset) {
  return HoldsProgramStart(std::as_bytes(std::span(bytes)), offset);
}

TEST(AccessProfile, IsFoundAtABlockOfTheTar) {
  const std::string program = *ReadFile("/proc/self/exe", 256 << 20);
  EXPECT_TRUE(Holds(program, 0));
  EXPECT_TRUE(Holds(std::string(1024, '\0') + program, 512));
  EXPECT_TRUE(Holds(std::string(500, '\0') + program, 12));
  EXPECT_FALSE(Holds(std::string(500, '\0') + program, 0));
  EXPECT_FALSE(Holds(program, 1));
  EXPECT_TRUE(Holds(program.substr(0, sizeof(Elf64_Ehdr)), 0));
  for (size_t size = 0; size < sizeof(Elf64_Ehdr); ++size) {
    EXPECT_FALSE(Holds(program.substr(0, size), 0)) << size;
  }
}

TEST(AccessProfile, IsNoSmallOrForeignOne) {
  std::string header =
      ReadFile("/proc/self/exe", 256 << 20)->substr(0, sizeof(Elf64_Ehdr));
  for (const char wrong : {'\0', '\x7f', '\x03'}) {
    std::string foreign = header;
    foreign[EI_CLASS] = wrong;
    EXPECT_FALSE(Holds(foreign, 0));
  }
  for (size_t i = 0; i < sizeof Elf64_Ehdr().e_shoff; ++i) {
    header[offsetof(Elf64_Ehdr, e_shoff) + i] = '\0';
  }
  EXPECT_FALSE(Holds(header, 0));
}

}  // namespace
}  // namespace imgmount
