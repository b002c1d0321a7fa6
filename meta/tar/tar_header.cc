// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/tar_header.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kSizeAt = 124;
constexpr size_t kSizeBytes = 12;
constexpr size_t kTypeAt = 156;
constexpr size_t kChecksumAt = 148;
constexpr size_t kChecksumBytes = 8;

struct NumberField {
  const char* name;
  size_t at;
  size_t bytes;
  bool of_devices;
};
constexpr NumberField kNumberFields[] = {
    {"mode", 100, 8, false},    {"uid", 108, 8, false},
    {"gid", 116, 8, false},     {"size", kSizeAt, kSizeBytes, false},
    {"mtime", 136, 12, false},  {"devmajor", 329, 8, true},
    {"devminor", 337, 8, true},
};

// libarchive follows no more special headers for one entry than this.
constexpr int kMaxHeaders = 32;

Failure Corrupt(std::string_view what) {
  return Fail(ErrorCode::kCorrupt, std::string(what));
}

// The size field: octal, or base-256 when the first bit is set. As libarchive
// reads it: leading blanks are skipped, and it ends at the first other byte.
std::optional<uint64_t> ParseSize(std::string_view field) {
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  uint64_t value = 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    if ((field[0] & 0x40) != 0) return {};  // negative
    for (size_t i = 0; i < field.size(); ++i) {
      const auto byte = static_cast<unsigned char>(field[i]);
      if (value > kMax >> 8) return {};
      value = value << 8 | (i == 0 ? byte & 0x3f : byte);
    }
    return value;
  }
  field.remove_prefix(std::min(field.find_first_not_of(" \t"), field.size()));
  for (const char c : field) {
    if (c < '0' || c > '7') break;
    value = value << 3 | static_cast<uint64_t>(c - '0');  // 12 digits: 36 bits
  }
  return value;
}

// Octal digits between blanks and NULs, or base-256. libarchive takes what it
// can make out of anything else; Go's archive/tar refuses it.
bool IsNumber(std::string_view field) {
  if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) return true;
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '7'; };
  const auto start = std::find_if_not(field.begin(), field.end(), is_blank);
  const auto end = std::find_if_not(start, field.end(), is_digit);
  if (end == start) {
    return std::all_of(end, field.end(),
                       [&](char c) { return c == '\0' || is_blank(c); });
  }
  return end == field.end() || *end == '\0' || is_blank(*end);
}

Status CheckNumbers(std::string_view block) {
  const bool is_device = block[kTypeAt] == '3' || block[kTypeAt] == '4';
  for (const NumberField& f : kNumberFields) {
    if (f.of_devices && !is_device) continue;
    const std::string_view field = block.substr(f.at, f.bytes);
    if (!IsNumber(field)) {
      return Corrupt("header with a malformed " + std::string(f.name) + ": " +
                     Quoted(field.substr(0, field.find('\0'))));
    }
  }
  return {};
}

bool IsZero(std::string_view block) {
  return block.find_first_not_of('\0') == std::string_view::npos;
}

// As Go: the sum of the block's bytes, its own field counting as blanks; old
// tars took them for signed.
bool HasRightChecksum(std::string_view block) {
  const auto stored = ParseSize(block.substr(kChecksumAt, kChecksumBytes));
  int64_t unsigned_sum = 0;
  int64_t signed_sum = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    const bool is_own = i >= kChecksumAt && i < kChecksumAt + kChecksumBytes;
    const char c = is_own ? ' ' : block[i];
    unsigned_sum += static_cast<unsigned char>(c);
    signed_sum += static_cast<signed char>(c);
  }
  return stored && (std::cmp_equal(*stored, unsigned_sum) ||
                    std::cmp_equal(*stored, signed_sum));
}

Status ParsePax(std::string_view body, TarHeader& header) {
  header.pax.clear();
  while (!body.empty()) {
    const size_t space = body.find(' ');
    size_t length = 0;
    const char* const end = body.data() + std::min(space, body.size());
    const auto [stop, error] = std::from_chars(body.data(), end, length);
    if (space == std::string_view::npos || error != std::errc() ||
        stop != end || length > body.size() || length < space + 3 ||
        body[length - 1] != '\n') {
      return Corrupt("malformed PAX header");
    }
    const auto record = body.substr(space + 1, length - space - 2);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return Corrupt("PAX header without a key");
    }
    const auto key = record.substr(0, equals);
    const auto value = record.substr(equals + 1);
    const bool is_text = key == "path" || key == "linkpath" ||
                         key == "GNU.sparse.name" || key == "uname" ||
                         key == "gname";
    if (key.find('\0') != std::string_view::npos ||
        (is_text && value.find('\0') != std::string_view::npos)) {
      return Corrupt("PAX header with a NUL: " + Quoted(record));
    }
    header.pax.emplace_back(key, value);
    body.remove_prefix(length);
  }
  return {};
}

}  // namespace

std::optional<std::string_view> TarHeader::Pax(std::string_view key) const {
  const auto it = std::find_if(pax.rbegin(), pax.rend(),
                               [&](const auto& p) { return p.first == key; });
  if (it == pax.rend() || it->second.empty()) return {};
  return it->second;
}

bool TarHeader::HasPaxPrefix(std::string_view prefix) const {
  return std::any_of(pax.begin(), pax.end(), [&](const auto& p) {
    return p.first.starts_with(prefix);
  });
}

Result<TarHeader> ParseTarHeader(std::string_view bytes) {
  TarHeader header;
  size_t at = 0;
  for (int count = 0; count < kMaxHeaders; ++count) {
    if (bytes.size() - at < kBlock) return Corrupt("incomplete header");
    const std::string_view block = bytes.substr(at, kBlock);
    const auto size = ParseSize(block.substr(kSizeAt, kSizeBytes));
    if (!size) return Corrupt("entry with a negative or overflowing size");
    header.type = block[kTypeAt];
    at += kBlock;
    if (header.type == 'V') continue;  // a volume's label: has no body
    if (std::string_view("xXgLKA").find(header.type) ==
        std::string_view::npos) {
      IMGMOUNT_CHECK(CheckNumbers(block));
      header.size = *size;
      header.end = at;
      if (const auto pax_size = header.Pax("size")) {
        IMGMOUNT_TRY(const int64_t value, ParsePaxNumber(*pax_size));
        if (value < 0) return Corrupt("entry with a negative size");
        header.size = static_cast<uint64_t>(value);
      }
      return header;
    }
    if (*size > bytes.size() - at) return Corrupt("incomplete header");
    const std::string_view body = bytes.substr(at, *size);
    if (header.type == 'x' || header.type == 'X') {
      IMGMOUNT_CHECK(ParsePax(body, header));
    } else if (header.type == 'L') {
      header.long_name = body.substr(0, body.find('\0'));
    } else if (header.type == 'K') {
      header.long_link = body.substr(0, body.find('\0'));
    }
    at = std::min(at + (*size + kBlock - 1) / kBlock * kBlock, bytes.size());
  }
  return Corrupt("too many special headers before one entry");
}

bool EndsAfterSpecialHeaders(std::string_view bytes) {
  TarHeader header;
  for (int count = 0; bytes.size() >= kBlock; ++count) {
    const std::string_view block = bytes.substr(0, kBlock);
    bytes.remove_prefix(kBlock);
    if (IsZero(block)) {
      return count > 0 && IsZero(bytes.substr(0, kBlock));
    }
    const char type = block[kTypeAt];
    const auto size = ParseSize(block.substr(kSizeAt, kSizeBytes));
    if (count == kMaxHeaders || !HasRightChecksum(block) || !size ||
        std::string_view("xgLK").find(type) == std::string_view::npos ||
        *size > bytes.size()) {
      return false;
    }
    if ((type == 'x' || type == 'g') &&
        !ParsePax(bytes.substr(0, *size), header)) {
      return false;
    }
    const size_t padded = (*size + kBlock - 1) / kBlock * kBlock;
    bytes.remove_prefix(std::min(padded, bytes.size()));
  }
  return false;
}

Result<int64_t> ParsePaxNumber(std::string_view text) {
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) {
    return Corrupt("PAX header with a malformed number: " + Quoted(text));
  }
  return value;
}

Result<Timestamp> ParsePaxTime(std::string_view text) {
  const size_t dot = text.find('.');
  IMGMOUNT_TRY(const int64_t seconds, ParsePaxNumber(text.substr(0, dot)));
  if (dot == std::string_view::npos) return Timestamp{seconds, 0};
  uint32_t nanoseconds = 0;
  uint32_t unit = 100'000'000;
  for (const char c : text.substr(dot + 1)) {
    if (c < '0' || c > '9') {
      return Corrupt("PAX header with a malformed time: " + Quoted(text));
    }
    nanoseconds += static_cast<uint32_t>(c - '0') * unit;
    unit /= 10;
  }
  if (text.front() != '-' || nanoseconds == 0) {
    return Timestamp{seconds, nanoseconds};
  }
  // The fraction of a negative time goes backward.
  if (seconds == std::numeric_limits<int64_t>::min()) {
    return Corrupt("PAX header with a time out of range");
  }
  return Timestamp{seconds - 1, 1'000'000'000 - nanoseconds};
}

}  // namespace imgmount
