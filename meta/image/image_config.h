// SPDX-License-Identifier: Apache-2.0
// The image config: OCI image-spec config.md and Docker's superset of it.
#ifndef IMGMOUNT_META_IMAGE_IMAGE_CONFIG_H_
#define IMGMOUNT_META_IMAGE_IMAGE_CONFIG_H_

#include <string>
#include <string_view>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/image/platform.h"

namespace imgmount {

struct HistoryEntry {
  std::string created;  // RFC 3339 as written; may be empty
  std::string created_by;
  std::string author;
  std::string comment;
  bool empty_layer = false;
  bool operator==(const HistoryEntry&) const = default;
};

struct ImageConfig {
  std::string json;  // the document itself; imginspect prints from it
  Platform platform;
  std::string created;
  std::string author;
  std::vector<DiffId> diff_ids;       // bottom first
  std::vector<HistoryEntry> history;  // oldest first

  // kCorrupt names the field; the number of diff IDs is not checked here.
  static Result<ImageConfig> Parse(std::string_view json);
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_IMAGE_CONFIG_H_
