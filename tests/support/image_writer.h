// SPDX-License-Identifier: Apache-2.0
// Images made in a cache, for tests: layers from tars, then manifest and
// config around them.
#ifndef IMGMOUNT_TESTS_SUPPORT_IMAGE_WRITER_H_
#define IMGMOUNT_TESTS_SUPPORT_IMAGE_WRITER_H_

#include <string>
#include <string_view>
#include <vector>

#include "meta/image/manifest.h"
#include "meta/store/cache.h"

namespace imgmount::testing {

// A layer's tar, and that as it is published, compressed in any way.
struct PublishedLayer {
  std::string tar;
  std::string blob;
};

// An image whose layers are these tars, gzipped. `config` is a JSON object to
// which os, architecture and rootfs are added where they are missing. Stored
// as blobs; returns the manifest's descriptor. Aborts when it cannot.
Descriptor WriteImage(const Cache& cache, const std::vector<std::string>& tars,
                      std::string_view config = "{}");

Descriptor WriteImage(const Cache& cache,
                      const std::vector<PublishedLayer>& layers,
                      std::string_view config = "{}");

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_IMAGE_WRITER_H_
