// SPDX-License-Identifier: Apache-2.0
// Numbers as Docker prints them (docker/go-units).
#ifndef IMGMOUNT_FETCH_PROGRESS_UNITS_H_
#define IMGMOUNT_FETCH_PROGRESS_UNITS_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace imgmount {

// "17.14MB": four digits, powers of 1000.
std::string HumanSize(uint64_t bytes);

// "1m5s".
std::string HumanDuration(std::chrono::seconds duration);

// "[=====>      ] 17.14MB/88.99MB": the bar only where there is room for it.
std::string ProgressBar(uint64_t done, uint64_t total, int columns);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PROGRESS_UNITS_H_
