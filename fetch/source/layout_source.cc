// SPDX-License-Identifier: Apache-2.0
#include "fetch/source/layout_source.h"

namespace imgmount {

Result<Source::Document> LayoutSource::FetchManifest(
    const std::string& selector) {
  Descriptor descriptor{.media_type = {}, .digest = DigestOf("")};
  if (auto digest = Digest::Parse(selector)) {
    descriptor.digest = *std::move(digest);
  } else {
    IMGMOUNT_TRY(descriptor, layout_.FindName(selector));
  }
  IMGMOUNT_TRY(std::string bytes,
               layout_.ReadBlob(descriptor.digest, kMaxManifestBytes));
  return Document{std::move(bytes), descriptor.media_type, descriptor.digest};
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
