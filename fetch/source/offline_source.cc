// SPDX-License-Identifier: Apache-2.0
#include "fetch/source/offline_source.h"

namespace imgmount {

Failure OfflineSource::NotHere() const {
  return Fail(ErrorCode::kNotFound,
              "not in the cache, and " + option_ + " forbids fetching it");
}

Result<Source::Document> OfflineSource::FetchManifest(const std::string&) {
  return NotHere();
}

Result<std::string> OfflineSource::FetchSmallBlob(const Descriptor&) {
  return NotHere();
}

Status OfflineSource::FetchBlob(const Descriptor&, uint64_t, BlobSink&) {
  return NotHere();
}

}  // namespace imgmount
