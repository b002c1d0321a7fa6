// SPDX-License-Identifier: Apache-2.0
// OfflineSource: stands for a source when requests are forbidden. All it has is
// an error, which names the option that forbids them.
#ifndef IMGMOUNT_FETCH_SOURCE_OFFLINE_SOURCE_H_
#define IMGMOUNT_FETCH_SOURCE_OFFLINE_SOURCE_H_

#include <string>
#include <utility>

#include "fetch/source/source.h"

namespace imgmount {

class OfflineSource : public Source {
 public:
  // `option` is "--offline" or "--pull=never".
  explicit OfflineSource(std::string option) : option_(std::move(option)) {}

  Result<Document> FetchManifest(const std::string& selector) override;
  Result<std::string> FetchSmallBlob(const Descriptor& descriptor) override;
  Status FetchBlob(const Descriptor& descriptor, uint64_t offset,
                   BlobSink& sink) override;

 private:
  Failure NotHere() const;

  const std::string option_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_SOURCE_OFFLINE_SOURCE_H_
