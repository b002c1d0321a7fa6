// SPDX-License-Identifier: Apache-2.0
// The Huffman tables of a decoder state, as what they are made from.
//
// Without its window, two thirds of a saved state are the tables of the deflate
// block that it is in: 23 KB that follow from the lengths of the block's 316
// codes (RFC 1951, 3.2.7). ISA-L makes them again from a block's header, and
// the lengths can be told from the tables, if one knows how ISA-L lays them out
// (igzip_inflate.c). That is no part of its interface, so lengths take the
// tables' place only where they gave the same tables again.
#ifndef IMGMOUNT_META_GZIP_HUFFMAN_TABLES_H_
#define IMGMOUNT_META_GZIP_HUFFMAN_TABLES_H_

#include <isa-l/igzip_lib.h>

namespace imgmount {

// Puts the lengths where the tables were, and zeros after them; also where no
// tables are in use. Leaves the state as it is if they do not give the same.
void PackTables(inflate_state& state);

// The reverse; nothing, if they are not packed.
void UnpackTables(inflate_state& state);

}  // namespace imgmount

#endif  // IMGMOUNT_META_GZIP_HUFFMAN_TABLES_H_
