// SPDX-License-Identifier: Apache-2.0
// How far a layer has come, as Docker shows it.
#ifndef IMGMOUNT_FETCH_PROGRESS_PROGRESS_BAR_H_
#define IMGMOUNT_FETCH_PROGRESS_PROGRESS_BAR_H_

#include <cstdint>
#include <string>

namespace imgmount {

// "[=====>      ] 17.14MB/88.99MB": the bar only where there is room for it.
std::string ProgressBar(uint64_t done, uint64_t total, int columns);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PROGRESS_PROGRESS_BAR_H_
