// SPDX-License-Identifier: Apache-2.0
// Where programs and shared libraries begin in a layer.
//
// Whoever starts a program reads the front of its file and of each library's
// before anything else, so that is where a span should begin.
#ifndef IMGMOUNT_META_LAYER_PROGRAM_START_H_
#define IMGMOUNT_META_LAYER_PROGRAM_START_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace imgmount {

// Whether an ELF file of this machine's kind, and of more than a few pages,
// seems to begin in `bytes`, which are at `offset` of a tar. A guess, from the
// ELF header alone (elf(5)), which must be all there.
bool HoldsProgramStart(std::span<const std::byte> bytes, uint64_t offset);

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_PROGRAM_START_H_
