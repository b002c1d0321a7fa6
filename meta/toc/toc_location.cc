// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_location.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "meta/base/wire.h"

namespace imgmount {
namespace {

// eStargz, and stargz's own dialect of zstd:chunked.
constexpr char kJsonDigest[] = "containerd.io/snapshot/stargz/toc.digest";
// zstd:chunked of containers/storage from 1.44 on; before it, and in stargz.
constexpr std::array<std::string_view, 2> kZstdPrefixes = {
    "io.github.containers.zstd-chunked.", "io.containers.zstd-chunked."};
constexpr std::string_view kChecksum = "manifest-checksum";
constexpr std::string_view kPosition = "manifest-position";

constexpr uint64_t kFrameHeader = 8;   // of a skippable zstd frame
constexpr uint64_t kManifestType = 1;  // the only one that there ever was

Failure Corrupt(std::string what) {
  return Fail(ErrorCode::kCorrupt, "table of contents: " + std::move(what));
}

Failure Unsupported(std::string what) {
  return Fail(ErrorCode::kUnsupported, "table of contents: " + std::move(what));
}

Result<std::optional<Digest>> FindDigest(const Descriptor& layer,
                                         const std::string& key) {
  const auto found = layer.annotations.find(key);
  if (found == layer.annotations.end()) return std::optional<Digest>();
  auto digest = Digest::Parse(found->second);
  if (!digest) return Failure(std::move(digest).error().In(key));
  return std::optional(*std::move(digest));
}

// A blob is `size` bytes long, and what it holds must lie inside.
Result<TocLocation> Checked(const TocLocation& toc, uint64_t size) {
  if (toc.length == 0 || toc.offset > size || toc.length > size - toc.offset) {
    return Corrupt("lies outside the layer");
  }
  if (toc.length > kMaxTocBytes) {
    return Unsupported(
        fmt::format("{} bytes, more than {}", toc.length, kMaxTocBytes));
  }
  return toc;
}

Result<TocLocation> ZstdLocation(uint64_t offset, uint64_t length,
                                 uint64_t json_size, uint64_t type,
                                 uint64_t blob_size) {
  if (type != kManifestType) {
    return Unsupported(fmt::format("unknown type {}", type));
  }
  if (offset < kFrameHeader) return Corrupt("lies outside the layer");
  return Checked(
      {TocEncoding::kZstd, offset, length, offset - kFrameHeader, json_size},
      blob_size);
}

// "offset:length:uncompressed length:type"
Result<TocLocation> ParsePosition(std::string_view text, uint64_t blob_size) {
  std::array<uint64_t, 4> numbers = {};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto parsed = std::from_chars(at, end, numbers[i]);
    const bool is_last = i + 1 == numbers.size();
    at = parsed.ptr;
    if (parsed.ec != std::errc() ||
        (is_last ? at != end : at == end || *at++ != ':')) {
      return Corrupt("malformed position in the manifest");
    }
  }
  return ZstdLocation(numbers[0], numbers[1], numbers[2], numbers[3],
                      blob_size);
}

std::string_view View(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// An empty gzip member with an extra field; RFC 1952.
std::string EmptyMember(std::string_view extra) {
  std::string member("\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10);
  AppendWire(member, static_cast<uint16_t>(extra.size()));
  member += extra;
  return member.append("\x01\0\0\xff\xff\0\0\0\0\0\0\0\0", 13);
}

std::string Subfield(std::string_view text) {
  std::string field = "SG";
  AppendWire(field, static_cast<uint16_t>(text.size()));
  return field.append(text);
}

constexpr std::string_view kNoOffset = "0000000000000000";

// The footer whose template this is, with sixteen hexadecimal digits in it.
std::optional<uint64_t> OffsetIn(std::string_view tail, std::string pattern) {
  if (tail.size() < pattern.size()) return std::nullopt;
  tail = tail.substr(tail.size() - pattern.size());
  const size_t at = pattern.find(kNoOffset);
  const auto digits = tail.substr(at, kNoOffset.size());
  uint64_t offset = 0;
  const auto parsed =
      std::from_chars(digits.data(), digits.data() + digits.size(), offset, 16);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    return std::nullopt;
  }
  pattern.replace(at, digits.size(), digits);
  if (tail != pattern) return std::nullopt;
  return offset;
}

// eStargz' footer of 51 bytes, or stargz' of 47.
Result<std::optional<TocLocation>> GzipFooter(std::string_view tail,
                                              uint64_t blob_size) {
  if (tail.ends_with(EmptyMember(Subfield("STARGZEXTERNALTOC")))) {
    return Unsupported("it is in an image of its own");
  }
  const std::string text = std::string(kNoOffset) + "STARGZ";
  for (const auto& member : {EmptyMember(Subfield(text)), EmptyMember(text)}) {
    const auto offset = OffsetIn(tail, member);
    if (!offset) continue;
    const uint64_t end = blob_size - member.size();
    if (*offset > end) return Corrupt("lies outside the layer");
    IMGMOUNT_TRY(const TocLocation toc,
                 Checked({TocEncoding::kGzip, *offset, end - *offset, *offset,
                          std::nullopt},
                         end));
    return std::optional(toc);
  }
  return std::optional<TocLocation>();
}

struct ZstdFooter {
  uint32_t bytes;
  uint32_t magic_at;
  std::string_view magic;
};
// In containers/storage up to 1.46 and in stargz, to 1.49, and from 1.50 on.
constexpr ZstdFooter kZstdFooters[] = {
    {40, 32, "GnUlInUx"}, {56, 32, "GnUlInUx"}, {64, 56, "GNUlInUx"}};

}  // namespace

Digest TocIdentity(const Digest& layer, const TocDigests& digests) {
  Hasher hasher;
  hasher.Update(layer.text());
  for (const auto& digest : {digests.json, digests.compressed}) {
    hasher.Update(digest ? "\n" + digest->text() : "\n");
  }
  return hasher.FinishDigest();
}

Result<std::optional<TocClaim>> FindToc(const Descriptor& layer) {
  TocClaim claim;
  IMGMOUNT_TRY(claim.digests.json, FindDigest(layer, kJsonDigest));
  for (const std::string_view prefix : kZstdPrefixes) {
    const auto key = [&](std::string_view name) {
      return std::string(prefix).append(name);
    };
    IMGMOUNT_TRY(claim.digests.compressed, FindDigest(layer, key(kChecksum)));
    if (!claim.digests.compressed) continue;
    const auto position = layer.annotations.find(key(kPosition));
    if (position != layer.annotations.end()) {
      IMGMOUNT_TRY(claim.location, ParsePosition(position->second, layer.size));
    }
    break;
  }
  if (!claim.digests.json && !claim.digests.compressed) {
    return std::optional<TocClaim>();
  }
  return std::optional(std::move(claim));
}

Result<TocLocation> ParseTocFooter(std::span<const std::byte> tail,
                                   uint64_t blob_size) {
  IMGMOUNT_TRY(const auto gzip, GzipFooter(View(tail), blob_size));
  if (gzip) return *gzip;
  for (const ZstdFooter& footer : kZstdFooters) {
    if (tail.size() < kFrameHeader + footer.bytes) continue;
    const auto frame = tail.last(kFrameHeader + footer.bytes);
    const auto bytes = frame.subspan(kFrameHeader);
    if (ReadWire<uint32_t>(frame, 0) != 0x184d2a50 ||
        ReadWire<uint32_t>(frame, 4) != footer.bytes ||
        View(bytes.subspan(footer.magic_at, footer.magic.size())) !=
            footer.magic) {
      continue;
    }
    return ZstdLocation(*ReadWire<uint64_t>(bytes, 0),
                        *ReadWire<uint64_t>(bytes, 8),
                        *ReadWire<uint64_t>(bytes, 16),
                        *ReadWire<uint64_t>(bytes, 24), blob_size);
  }
  return Unsupported("there is none at the layer's end");
}

}  // namespace imgmount
