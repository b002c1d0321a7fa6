// SPDX-License-Identifier: Apache-2.0
// An image's history as `docker history` has it: a row per build step.
#ifndef IMGMOUNT_META_REPORT_HISTORY_H_
#define IMGMOUNT_META_REPORT_HISTORY_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "meta/image/image.h"
#include "meta/store/cache.h"

namespace imgmount {

struct HistoryRow {
  std::string id;  // the image's ID at the top, else "<missing>"
  int64_t created = 0;
  std::string created_by;
  std::string comment;
  uint64_t size = 0;
  // A layer that was never indexed has its compressed size only.
  bool size_is_compressed = false;
  std::optional<size_t> layer = {};  // nullopt: a step that made none
};

// Newest first. Layer sizes come from the cache's derived files. Histories
// that do not fit the layers are no error: layers that no step accounts for
// come on top with `all_layers` (Docker leaves them out), steps without a layer
// count 0 bytes.
std::vector<HistoryRow> HistoryOf(const Image& image, const Cache& cache,
                                  bool all_layers = false);

struct HistoryFormat {
  bool truncate = true;
  bool human = true;
  int64_t now = 0;  // seconds since the epoch
};

// The row as an object of texts, with Docker's names for them (Comment,
// CreatedAt, CreatedBy, CreatedSince, ID, Size) and after those two of ours:
// Layer, the layer's digest, and Compressed, its size as published.
nlohmann::ordered_json HistoryFields(const HistoryRow& row, const Image& image,
                                     const HistoryFormat& format);

// The names of the same columns in a table's first line.
nlohmann::ordered_json HistoryHeaders();

}  // namespace imgmount

#endif  // IMGMOUNT_META_REPORT_HISTORY_H_
