// SPDX-License-Identifier: Apache-2.0
// FirstPass: a layer's bytes stream through once, and everything that a mount
// needs comes out: digest, diff ID, layer index, span table and, for encodings
// without a resumable state, a re-encoded copy.
//
// The caller pushes compressed bytes in order with Write(), as they arrive;
// decoding, hashing and the tar walk run on threads of the pass's own, in
// bounded memory. A layer that turns out to be wrong does not stop Write():
// the bytes are hashed to their end, so that Finish() can say "wrong digest"
// (the blob is not what was asked for) rather than what the wrong bytes looked
// like inside.
#ifndef IMGMOUNT_META_LAYER_FIRST_PASS_H_
#define IMGMOUNT_META_LAYER_FIRST_PASS_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/layer/member_starts.h"
#include "meta/tar/layer_index.h"

namespace imgmount {

// A blob's compression by its first bytes; never by its media type, which is
// often wrong (Docker detects too).
enum class Compression : uint8_t { kNone, kGzip, kZstd, kBzip2, kXz };
Compression DetectCompression(std::span<const std::byte> first_bytes);

// Names of the derived files of one layer, in its own folder
// (store/layer_store.h says where).
inline constexpr char kIndexFile[] = "index";
inline constexpr char kSpansFile[] = "spans";
inline constexpr char kFramesFile[] = "frames";

struct FirstPassOptions {
  // The published digest and size of the blob; both are verified.
  std::optional<Digest> digest = {};
  std::optional<uint64_t> size = {};
  // The diff ID the image config promises; verified when given.
  std::optional<DiffId> diff_id = {};
  // A layer that inflates beyond this many bytes is refused as a bomb.
  // 0: the default rule, documented in ARCHITECTURE.md:
  // max(1 GiB, 1100 x compressed size) (deflate's own limit is 1032:1).
  uint64_t max_uncompressed = 0;
  // Where derived files go; made if missing. Files get their names only when
  // Finish() found everything right.
  std::filesystem::path folder = {};
  // Places in the blob of which FirstPassResult::starts is to tell.
  std::vector<uint64_t> wanted_starts = {};
};

struct FirstPassResult {
  Digest digest;
  DiffId diff_id;
  uint64_t compressed_size = 0;
  uint64_t uncompressed_size = 0;
  LayerIndex index;
  MemberStarts starts;
};

class FirstPass {
 public:
  virtual ~FirstPass() = default;
  static Result<std::unique_ptr<FirstPass>> Start(FirstPassOptions options);

  // Blocks while the pass is behind; copies what it needs. Errors of the pass
  // are kept for Finish().
  virtual void Write(std::span<const std::byte> data) = 0;

  // All bytes are written: waits for the pass, verifies, stores the derived
  // files under their names. Destroying an unfinished pass abandons it.
  virtual Result<FirstPassResult> Finish() = 0;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_LAYER_FIRST_PASS_H_
