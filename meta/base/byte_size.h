// SPDX-License-Identifier: Apache-2.0
// Sizes in decimal units, as Docker prints them (docker/go-units).
#ifndef IMGMOUNT_META_BASE_BYTE_SIZE_H_
#define IMGMOUNT_META_BASE_BYTE_SIZE_H_

#include <cstdint>
#include <string>

namespace imgmount {

// "17.14MB" with four significant digits, "17.1MB" with three.
std::string FormatByteSize(uint64_t bytes, int digits);

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_BYTE_SIZE_H_
