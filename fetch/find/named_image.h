// SPDX-License-Identifier: Apache-2.0
// NamedImage: what an image name stands for under a configuration: a place in a
// cache, and the source to ask.
#ifndef IMGMOUNT_FETCH_FIND_NAMED_IMAGE_H_
#define IMGMOUNT_FETCH_FIND_NAMED_IMAGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fetch/find/fetch_config.h"
#include "fetch/source/source.h"
#include "meta/image/platform.h"
#include "meta/image/reference.h"
#include "meta/store/cache.h"

namespace imgmount {

// Owns what it refers to, but for PullOptions::cancel.
struct NamedImage {
  std::string name;  // for index.json and messages: Canonical() or "oci:…"
  std::string familiar;                // as Docker would print it
  std::string selector;                // tag or digest
  std::optional<Reference> reference;  // of a registry's image
  Cache cache;  // of a layout transport: Cache::WithLayout, read in place
  Platform platform;
  PullPolicy pull;
  std::unique_ptr<Source> source;
  std::shared_ptr<SourceListener> listener = nullptr;  // of the source
  PullOptions pull_options = {};
  std::optional<uint64_t> cache_max_bytes = {};
  bool platform_is_given = false;  // by the user
  // Called, if set, with what is odd about the image or the cache.
  std::function<void(const std::string&)> warn = {};
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_NAMED_IMAGE_H_
