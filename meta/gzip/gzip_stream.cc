// SPDX-License-Identifier: Apache-2.0
#include "meta/gzip/gzip_stream.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "meta/gzip/huffman_tables.h"

namespace imgmount {
namespace {

// RFC 1952, 2.3.1. Bit 0 (FTEXT) says nothing that matters here.
constexpr uint8_t kHeaderCrcFlag = 1 << 1;
constexpr uint8_t kExtraFlag = 1 << 2;
constexpr uint8_t kNameFlag = 1 << 3;
constexpr uint8_t kCommentFlag = 1 << 4;
constexpr uint8_t kReservedFlags = 0xe0;
constexpr uint8_t kMagic[] = {0x1f, 0x8b, 8};  // the last one: deflate
constexpr uint32_t kFixedBytes = 10;

thread_local std::unique_ptr<inflate_state> kept_state;

Failure Corrupt(const char* what) { return Fail(ErrorCode::kCorrupt, what); }

uint32_t Clamp32(size_t size) {
  return static_cast<uint32_t>(
      std::min<size_t>(size, std::numeric_limits<int32_t>::max()));
}

}  // namespace

void GzipStream::KeepForNext::operator()(inflate_state* state) const {
  kept_state.reset(state);
}

GzipStream::StatePtr GzipStream::NewState() {
  if (kept_state) return StatePtr(kept_state.release());
  return StatePtr(new inflate_state);
}

Status GzipStream::Step(std::span<const std::byte>& in,
                        std::span<std::byte>& out) {
  do {
    if (phase_ == Phase::kData) return InflateStep(in, out);
    if (in.empty()) break;
    const auto byte = static_cast<uint8_t>(in.front());
    in = in.subspan(1);
    IMGMOUNT_CHECK(HeaderByte(byte));
  } while (!at_member());
  return {};
}

void GzipStream::NextHeaderPhase(Phase done) {
  got_ = 0;
  const auto is_next = [&](Phase phase, uint8_t flag) {
    return done < phase && (flags_ & flag) != 0;
  };
  if (is_next(Phase::kExtraLength, kExtraFlag)) {
    extra_left_ = 0;
    phase_ = Phase::kExtraLength;
  } else if (done == Phase::kExtraLength && extra_left_ > 0) {
    phase_ = Phase::kExtra;
  } else if (is_next(Phase::kName, kNameFlag)) {
    phase_ = Phase::kName;
  } else if (is_next(Phase::kComment, kCommentFlag)) {
    phase_ = Phase::kComment;
  } else if (is_next(Phase::kHeaderCrc, kHeaderCrcFlag)) {
    read_crc_ = 0;
    phase_ = Phase::kHeaderCrc;
  } else {
    phase_ = Phase::kData;
    if (!state_) {
      state_ = NewState();
      *state_ = {};
    }
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP_NO_HDR_VER;
  }
}

Status GzipStream::HeaderByte(uint8_t byte) {
  if (phase_ == Phase::kHeader && got_ == 0 && !first_member_ && byte == 0) {
    phase_ = Phase::kPadding;
  }
  if (phase_ != Phase::kHeaderCrc) {
    header_crc_ = crc32_gzip_refl(
        phase_ == Phase::kHeader && got_ == 0 ? 0 : header_crc_, &byte, 1);
  }
  switch (phase_) {
    case Phase::kHeader:
      if (got_ < sizeof kMagic && byte != kMagic[got_]) {
        return Corrupt(first_member_ ? "not a gzip header"
                                     : "garbage after the gzip data");
      }
      if (got_ == 3) {
        flags_ = byte;
        if ((flags_ & kReservedFlags) != 0) {
          return Corrupt("gzip header with unknown flags");
        }
      }
      if (++got_ == kFixedBytes) NextHeaderPhase(phase_);
      return {};
    case Phase::kExtraLength:
      extra_left_ |= uint32_t{byte} << (8 * got_);
      if (++got_ == 2) NextHeaderPhase(phase_);
      return {};
    case Phase::kExtra:
      if (--extra_left_ == 0) NextHeaderPhase(phase_);
      return {};
    case Phase::kName:
    case Phase::kComment:
      if (byte == 0) NextHeaderPhase(phase_);
      return {};
    case Phase::kHeaderCrc:
      read_crc_ |= uint32_t{byte} << (8 * got_);
      if (++got_ < 2) return {};
      if (read_crc_ != (header_crc_ & 0xffff)) {
        return Corrupt("gzip header with a wrong checksum");
      }
      NextHeaderPhase(phase_);
      return {};
    case Phase::kPadding:
      if (byte != 0) return Corrupt("garbage after the gzip data");
      return {};
    case Phase::kData:
      break;
  }
  return Corrupt("gzip header in compressed data");
}

Status GzipStream::InflateStep(std::span<const std::byte>& in,
                               std::span<std::byte>& out) {
  inflate_state& s = *state_;
  UnpackIfResumed();
  // ISA-L takes non-const input and does not write to it.
  auto* const next_in =
      reinterpret_cast<uint8_t*>(const_cast<std::byte*>(in.data()));
  auto* const next_out = reinterpret_cast<uint8_t*>(out.data());
  s.next_in = next_in;
  s.avail_in = Clamp32(in.size());
  s.next_out = next_out;
  s.avail_out = Clamp32(out.size());
  const int status = isal_inflate(&s);
  in = in.subspan(static_cast<size_t>(s.next_in - next_in));
  out = out.subspan(static_cast<size_t>(s.next_out - next_out));
  if (status == ISAL_INCORRECT_CHECKSUM) {
    return Corrupt("gzip data with a wrong CRC-32 or length");
  }
  if (status != ISAL_DECOMP_OK) return Corrupt("damaged gzip data");
  if (s.block_state == ISAL_BLOCK_FINISH) {
    phase_ = Phase::kHeader;
    got_ = 0;
    first_member_ = false;
  }
  return {};
}

Status GzipStream::CheckEnd() const {
  if (phase_ == Phase::kPadding || (at_member() && !first_member_)) return {};
  return Corrupt("truncated gzip data");
}

std::string GzipStream::SaveState() {
  UnpackIfResumed();
  const auto saved = std::make_unique<inflate_state>(*state_);
  inflate_state& s = *saved;
  s.next_out = s.next_in = nullptr;
  s.avail_out = s.avail_in = 0;
  const auto in_size = static_cast<size_t>(s.tmp_in_size);
  std::fill(std::begin(s.tmp_in_buffer) + in_size, std::end(s.tmp_in_buffer),
            0);
  // From the output buffer it needs what it has not handed out yet, and the
  // window before the end of that.
  const auto valid = static_cast<size_t>(s.tmp_out_valid);
  const auto processed = static_cast<size_t>(s.tmp_out_processed);
  const size_t window = valid - std::min<size_t>(valid, ISAL_DEF_HIST_SIZE);
  std::fill_n(s.tmp_out_buffer, std::min(window, processed), 0);
  std::fill(std::begin(s.tmp_out_buffer) + valid, std::end(s.tmp_out_buffer),
            0);
  return {reinterpret_cast<const char*>(&s), sizeof s};
}

void GzipStream::UnpackIfResumed() {
  if (std::exchange(resumed_, false)) UnpackTables(*state_);
}

void GzipStream::PackState(std::string& state) {
  inflate_state unpacked;
  std::memcpy(&unpacked, state.data(), sizeof unpacked);
  PackTables(unpacked);
  std::memcpy(state.data(), &unpacked, sizeof unpacked);
}

std::span<char> GzipStream::WindowOf(std::string& state) {
  const auto field = [&](size_t offset) {
    int32_t value = 0;
    std::memcpy(&value, state.data() + offset, sizeof value);
    return static_cast<size_t>(value);
  };
  const size_t valid = field(offsetof(inflate_state, tmp_out_valid));
  const size_t processed = field(offsetof(inflate_state, tmp_out_processed));
  const size_t window = valid - std::min<size_t>(valid, ISAL_DEF_HIST_SIZE);
  // Bytes that were not handed out yet are output, also if nothing copies them.
  return std::span(state).subspan(
      offsetof(inflate_state, tmp_out_buffer) + window,
      processed - std::min(window, processed));
}

std::span<std::byte> GzipStream::Resume() {
  if (!state_) state_ = NewState();
  phase_ = Phase::kData;
  first_member_ = false;
  resumed_ = true;
  return std::as_writable_bytes(std::span(state_.get(), 1));
}

Status GzipStream::RestoreState(const std::string& state) {
  const auto memory = Resume();
  if (state.size() != memory.size()) {
    return Corrupt("decoder state of a wrong size");
  }
  std::ranges::copy(std::as_bytes(std::span(state)), memory.begin());
  return {};
}

}  // namespace imgmount
