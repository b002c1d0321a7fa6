// SPDX-License-Identifier: Apache-2.0
// LayoutSource: an image in an OCI image layout on disk (oci:DIR[:REF]), read
// where it lies.
#ifndef IMGMOUNT_FETCH_SOURCE_LAYOUT_SOURCE_H_
#define IMGMOUNT_FETCH_SOURCE_LAYOUT_SOURCE_H_

#include "fetch/source/source.h"
#include "meta/store/cache.h"

namespace imgmount {

class LayoutSource : public Source {
 public:
  // `layout` is a Cache::WithLayout().
  explicit LayoutSource(Cache layout) : layout_(std::move(layout)) {}

  // A selector is one of FindInLayout().
  Result<Document> FetchManifest(const std::string& selector) override;
  Result<std::string> FetchSmallBlob(const Descriptor& descriptor) override;
  // Layers are used in place, so this is only called for one that is missing.
  Status FetchBlob(const Descriptor& descriptor, uint64_t offset,
                   BlobSink& sink) override;
  bool in_place() const override { return true; }

 private:
  const Cache layout_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_SOURCE_LAYOUT_SOURCE_H_
