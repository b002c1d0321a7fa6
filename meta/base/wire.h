// SPDX-License-Identifier: Apache-2.0
// Reading and writing the little-endian structures of our derived files.
//
// Structures are plain, packed by hand and trivially copyable; they are copied
// in and out with memcpy, so nothing depends on alignment. The files belong to
// one machine; a big-endian build is refused here.
#ifndef IMGMOUNT_META_BASE_WIRE_H_
#define IMGMOUNT_META_BASE_WIRE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "meta/base/xxh3.h"

namespace imgmount {

static_assert(std::endian::native == std::endian::little);

template <typename T>
void AppendWire(std::string& out, const T& value) {
  static_assert(std::is_trivially_copyable_v<T> &&
                std::has_unique_object_representations_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// The T at `offset`, or nullopt when it does not lie within `bytes`.
template <typename T>
std::optional<T> ReadWire(std::span<const std::byte> bytes, size_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return {};
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// Seeds the checksum of a file that says what it says of `subject` only (a
// layer by its digest, say): in another's place it is as wrong as a damaged
// one. Files about nothing in particular have no subject, and seed 0.
inline uint64_t SubjectSeed(std::string_view subject) {
  return subject.empty() ? 0 : XXH3_64bits(subject.data(), subject.size());
}

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_WIRE_H_
