// SPDX-License-Identifier: Apache-2.0
// The span table's file: shared by who writes and who reads it.
//
//   Header
//   resume states     each one zstd frame, one after the other
//   SpanRecord        span_count of them
//   uint64_t          XXH3-64 of each block, in order
//
// Header and table (what follows the states) have checksums that are verified
// when the file is opened; each state has its own SHA-256, verified when it is
// used, since a wrong one can crash the decoder.
#ifndef IMGMOUNT_META_LAYER_SPAN_FORMAT_H_
#define IMGMOUNT_META_LAYER_SPAN_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "meta/layer/span_table.h"

namespace imgmount {

inline constexpr std::array<char, 8> kSpansMagic = {'i', 'm', 'g', 'm',
                                                    'S', 'P', 'A', 'N'};
inline constexpr uint32_t kSpansVersion = 5;

struct SpansHeader {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t reserved;    // 0
  uint64_t isal_build;  // IsalBuild() of the process that wrote the states
  uint64_t uncompressed_size;
  uint64_t table_offset;
  uint64_t span_count;
  uint64_t block_count;
  uint64_t table_checksum;   // XXH3-64 of the table
  uint64_t header_checksum;  // XXH3-64 of the header before this field
};

struct SpanRecord {
  uint64_t offset;
  uint64_t length;
  uint64_t in_offset;
  uint64_t in_length;
  uint64_t first_block;
  uint64_t state_offset;
  uint32_t state_length;
  uint16_t kind;
  uint16_t file;
  Sha256Digest state_sha256;  // zeros where there is none
};

constexpr uint64_t BlockCount(uint64_t length) {
  return (length + kBlockBytes - 1) / kBlockBytes;
}

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_SPAN_FORMAT_H_
