// SPDX-License-Identifier: Apache-2.0
#include "meta/layer/program_start.h"

#include <elf.h>
#include <link.h>

#include <cstring>

namespace imgmount {
namespace {

constexpr uint64_t kTarBlock = 512;
// Smaller ones are decoded from where the span begins as quickly.
constexpr uint64_t kMinBytes = 64 << 10;

using Header = ElfW(Ehdr);

bool IsLargeElf(const std::byte* bytes) {
  if (std::memcmp(bytes, ELFMAG, SELFMAG) != 0) return false;
  Header header;
  std::memcpy(&header, bytes, sizeof header);
  // Linkers put the table of sections last.
  return header.e_ident[EI_CLASS] ==
             (sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32) &&
         header.e_shoff >= kMinBytes;
}

}  // namespace

bool HoldsProgramStart(std::span<const std::byte> bytes, uint64_t offset) {
  const uint64_t first = (kTarBlock - offset % kTarBlock) % kTarBlock;
  for (uint64_t at = first; at + sizeof(Header) <= bytes.size();
       at += kTarBlock) {
    if (IsLargeElf(bytes.data() + at)) return true;
  }
  return false;
}

}  // namespace imgmount
