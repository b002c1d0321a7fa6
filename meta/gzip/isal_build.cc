// SPDX-License-Identifier: Apache-2.0
#include "meta/gzip/isal_build.h"

#include <elf.h>
#include <isa-l.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

#include "meta/base/xxh3.h"

namespace imgmount {
namespace {

// The loaded object that `code` belongs to.
struct LoadedObject {
  uintptr_t code;
  std::string identity;
};

int IdentifyIfOwner(dl_phdr_info* info, size_t /*size*/, void* data) {
  auto& object = *static_cast<LoadedObject*>(data);
  const std::span segments(info->dlpi_phdr, info->dlpi_phnum);
  const auto bytes = [&](const ElfW(Phdr) & segment) {
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    return std::string_view(
        reinterpret_cast<const char*>(begin),  // NOLINT(*-no-int-to-ptr)
        segment.p_memsz);
  };
  const auto owner =
      std::find_if(segments.begin(), segments.end(), [&](const auto& segment) {
        return segment.p_type == PT_LOAD &&
               object.code - info->dlpi_addr - segment.p_vaddr <
                   segment.p_memsz;
      });
  if (owner == segments.end()) return 0;
  object.identity = bytes(*owner);
  for (const auto& segment : segments) {
    if (segment.p_type != PT_NOTE) continue;
    const std::string_view id = FindBuildId(bytes(segment), segment.p_align);
    if (!id.empty()) object.identity = id;
  }
  return 1;
}

}  // namespace

std::string_view FindBuildId(std::string_view notes, size_t alignment) {
  constexpr std::string_view kOwner("GNU\0", 4);
  const auto padded = [&](size_t n) {
    const size_t unit = std::max<size_t>(alignment, 4);
    return (n + unit - 1) / unit * unit;
  };
  ElfW(Nhdr) note;
  while (notes.size() >= sizeof note) {
    std::memcpy(&note, notes.data(), sizeof note);
    const size_t body = padded(sizeof note + note.n_namesz);
    const size_t end = body + note.n_descsz;
    if (end > notes.size()) break;
    if (note.n_type == NT_GNU_BUILD_ID &&
        notes.substr(sizeof note, note.n_namesz) == kOwner) {
      return notes.substr(body, note.n_descsz);
    }
    notes.remove_prefix(std::min(padded(end), notes.size()));
  }
  return {};
}

uint64_t IsalBuild() {
  static const uint64_t build = [] {
    LoadedObject object = {reinterpret_cast<uintptr_t>(&::isal_inflate), {}};
    ::dl_iterate_phdr(IdentifyIfOwner, &object);
    object.identity += std::to_string(ISAL_VERSION) + ' ' +
                       std::to_string(sizeof(inflate_state));
    return XXH3_64bits(object.identity.data(), object.identity.size());
  }();
  return build;
}

}  // namespace imgmount
