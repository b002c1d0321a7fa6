// SPDX-License-Identifier: Apache-2.0
// Pieces: the parts of a blob that are here or not, 64 KiB each; the last one
// may be shorter.
#ifndef IMGMOUNT_META_PARTIAL_PIECE_RUN_H_
#define IMGMOUNT_META_PARTIAL_PIECE_RUN_H_

#include <algorithm>
#include <cstdint>

namespace imgmount {

inline constexpr uint64_t kPieceBytes = 64 << 10;

// Pieces [first, end) of a blob, by number.
struct PieceRun {
  uint64_t first = 0;
  uint64_t end = 0;

  bool empty() const { return first >= end; }
  uint64_t count() const { return empty() ? 0 : end - first; }
  uint64_t first_byte() const { return first * kPieceBytes; }
  bool Contains(PieceRun other) const {
    return other.empty() || (first <= other.first && other.end <= end);
  }
  bool operator==(const PieceRun&) const = default;
};

inline PieceRun Intersect(PieceRun a, PieceRun b) {
  return {std::max(a.first, b.first), std::min(a.end, b.end)};
}

// The pieces that these bytes lie in.
inline PieceRun PiecesOf(uint64_t offset, uint64_t length) {
  if (length == 0) return {offset / kPieceBytes, offset / kPieceBytes};
  return {offset / kPieceBytes, (offset + length - 1) / kPieceBytes + 1};
}

// All pieces of a blob of so many bytes.
inline PieceRun AllPieces(uint64_t blob_bytes) {
  return PiecesOf(0, blob_bytes);
}

}  // namespace imgmount

#endif  // IMGMOUNT_META_PARTIAL_PIECE_RUN_H_
