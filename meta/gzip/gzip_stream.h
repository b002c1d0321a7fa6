// SPDX-License-Identifier: Apache-2.0
// GzipStream: inflates gzip, in any number of members, by ISA-L.
//
// Input and output come in pieces of any size. Headers are ours to parse (all
// fields of RFC 1952); each member's CRC-32 and length are verified. After the
// last member, zeros are padding and ignored, as GNU gzip does; anything else
// is kCorrupt, as in Docker. Not thread-safe.
#ifndef IMGMOUNT_META_GZIP_GZIP_STREAM_H_
#define IMGMOUNT_META_GZIP_GZIP_STREAM_H_

#include <isa-l/igzip_lib.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "meta/base/result.h"

namespace imgmount {

class GzipStream {
 public:
  // Decodes until the input is used up, the output is full, or the next member
  // may start; cuts what it used off the front of both.
  Status Step(std::span<const std::byte>& in, std::span<std::byte>& out);

  // Whether a member starts at the next byte of input: a decoder can start
  // there from scratch.
  bool at_member() const { return phase_ == Phase::kHeader && got_ == 0; }
  // Whether SaveState can be called: inside a member's compressed data.
  bool in_data() const { return phase_ == Phase::kData; }
  // kCorrupt if the stream may not end here.
  Status CheckEnd() const;

  // The decoder's state as bytes that compress well: what it will not look at
  // is zeroed. It belongs to this build of ISA-L; see span_table.h.
  std::string SaveState();
  // Makes such bytes compress better still, for some 20 us (huffman_tables.h).
  static void PackState(std::string& state);
  // Where in a saved state the output lies that what follows may copy from.
  static std::span<char> WindowOf(std::string& state);
  // Where to put a saved state for the stream to go on from it. REQUIRES: it is
  // put there before anything else is called, packed or as SaveState made it:
  // ISA-L trusts its state.
  std::span<std::byte> Resume();
  // The same from a copy; kCorrupt if it is of another size.
  Status RestoreState(const std::string& state);

 private:
  enum class Phase {
    kHeader,  // the ten fixed bytes of a member's header
    kExtraLength,
    kExtra,
    kName,
    kComment,
    kHeaderCrc,
    kData,
    kPadding,  // zeros after the last member
  };
  Status HeaderByte(uint8_t byte);
  void NextHeaderPhase(Phase done);
  Status InflateStep(std::span<const std::byte>& in, std::span<std::byte>& out);
  void UnpackIfResumed();

  Phase phase_ = Phase::kHeader;
  bool first_member_ = true;
  uint32_t got_ = 0;  // bytes of the present field
  uint8_t flags_ = 0;
  uint32_t extra_left_ = 0;
  uint32_t header_crc_ = 0;
  uint32_t read_crc_ = 0;
  // Streams come and go by the thousand, so a thread keeps the last one's
  // memory for the next: 87 KB of fresh pages cost more than what is in them.
  struct KeepForNext {
    void operator()(inflate_state* state) const;
  };
  using StatePtr = std::unique_ptr<inflate_state, KeepForNext>;
  static StatePtr NewState();
  StatePtr state_;        // once there is data
  bool resumed_ = false;  // the state is as SaveState() made it
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_GZIP_GZIP_STREAM_H_
