// SPDX-License-Identifier: Apache-2.0
// Which build of ISA-L this process runs.
#ifndef IMGMOUNT_META_GZIP_ISAL_BUILD_H_
#define IMGMOUNT_META_GZIP_ISAL_BUILD_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace imgmount {

// A saved state is memory of the decoder that made it. Only the same build of
// ISA-L may go on from it: equal numbers, so also the same architecture. Known
// by the build ID of the shared library that was loaded (or of the program, if
// ISA-L is linked into it), or by its code where it has none, and by the layout
// of a state that this program was compiled with.
uint64_t IsalBuild();

// The build ID (NT_GNU_BUILD_ID) in the notes of an ELF segment with this
// alignment, as ld writes it; empty where there is none. Exposed for tests.
std::string_view FindBuildId(std::string_view notes, size_t alignment);

}  // namespace imgmount

#endif  // IMGMOUNT_META_GZIP_ISAL_BUILD_H_
