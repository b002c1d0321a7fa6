// SPDX-License-Identifier: Apache-2.0
// The output of imgcache ls and du.
#ifndef IMGMOUNT_META_REPORT_CACHE_LISTING_H_
#define IMGMOUNT_META_REPORT_CACHE_LISTING_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "meta/base/result.h"
#include "meta/upkeep/inventory.h"

namespace imgmount {

struct ListFormat {
  std::string format = "table";  // as docker's --format
  bool layers = false;           // a row per layer, not per image
  bool quiet = false;            // names only
  bool truncate = true;
  bool human = true;
  int64_t now = 0;
  // Columns that would make lines longer than this are left out of the table
  // of images; 0: none.
  int columns = 0;
};

// A row per name, in the order of index.json; or per layer, bottom first.
Result<std::string> ListImages(const Inventory& inventory,
                               const ListFormat& format);

// A row per kind of file, and their sum.
std::string DiskUsage(const Cache& cache, const Inventory& inventory,
                      bool human);

}  // namespace imgmount

#endif  // IMGMOUNT_META_REPORT_CACHE_LISTING_H_
