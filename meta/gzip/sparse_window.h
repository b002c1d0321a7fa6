// SPDX-License-Identifier: Apache-2.0
// A checkpoint without what nobody will look at.
//
// Most of a saved decoder state is its window: the 32 KiB of output that what
// follows may copy from. Of these only a part is ever copied, and the rest need
// not be kept; zeros take no room. Which part it is shows by decoding what
// follows over windows that name their own positions. (An idea of rapidgzip's;
// Knespel and Brunst, HPDC 2023.)
#ifndef IMGMOUNT_META_GZIP_SPARSE_WINDOW_H_
#define IMGMOUNT_META_GZIP_SPARSE_WINDOW_H_

#include <cstddef>
#include <span>
#include <string>

namespace imgmount {

// How far back deflate copies from: after as much output, the window before a
// checkpoint is out of reach.
inline constexpr size_t kWindowBytes = 32 << 10;

// Zeroes what is not used of the window of `state`, as GzipStream::SaveState()
// made it. `in` is what follows it, and `out` what that gives: kWindowBytes, or
// all up to the end of the stream's member. Leaves the state as it is where
// that cannot be found out.
void DropUnusedWindow(std::string& state, std::span<const std::byte> in,
                      std::span<const std::byte> out);

}  // namespace imgmount

#endif  // IMGMOUNT_META_GZIP_SPARSE_WINDOW_H_
