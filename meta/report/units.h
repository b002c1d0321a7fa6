// SPDX-License-Identifier: Apache-2.0
// Sizes, times and widths as Docker prints them (docker/go-units, and Go's
// time package).
#ifndef IMGMOUNT_META_REPORT_UNITS_H_
#define IMGMOUNT_META_REPORT_UNITS_H_

#include <cstdint>
#include <string>

namespace imgmount {

// "1.23kB", "84MB": three digits, powers of 1000.
std::string ShortSize(uint64_t bytes);

// "2 weeks", "About an hour", "Less than a second".
std::string RoughDuration(int64_t seconds);

// "2024-01-02T03:04:05+01:00" in local time; "Z" where that is UTC.
std::string FormatRfc3339(int64_t seconds);

}  // namespace imgmount

#endif  // IMGMOUNT_META_REPORT_UNITS_H_
