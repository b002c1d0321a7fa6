// SPDX-License-Identifier: Apache-2.0
#include "fetch/source/layout_source.h"

namespace imgmount {

Result<Source::Document> LayoutSource::FetchManifest(
    const std::string& selector) {
  return layout_.FindDocument(selector);
}

Result<std::string> LayoutSource::FetchSmallBlob(const Descriptor& descriptor) {
  return layout_.ReadBlob(descriptor.digest, kMaxConfigBytes);
}

Status LayoutSource::FetchBlob(const Descriptor& descriptor, uint64_t,
                               BlobSink&) {
  return Fail(ErrorCode::kNotFound,
              layout_.BlobPath(descriptor.digest).string() +
                  ": missing from the image layout");
}

}  // namespace imgmount
