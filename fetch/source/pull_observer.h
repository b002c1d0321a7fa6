// SPDX-License-Identifier: Apache-2.0
// PullObserver: who is notified of a pull's progress.
#ifndef IMGMOUNT_FETCH_SOURCE_PULL_OBSERVER_H_
#define IMGMOUNT_FETCH_SOURCE_PULL_OBSERVER_H_

#include <cstdint>
#include <string>

#include "meta/base/digest.h"
#include "meta/image/image.h"

namespace imgmount {

// Called from several threads.
class PullObserver {
 public:
  enum class Step {
    kPullingFsLayer,
    kWaiting,
    kDownloading,  // with done/total bytes
    kVerifyingChecksum,
    kDownloadComplete,
    kExtracting,  // a cached blob is being indexed
    kPullComplete,
    kAlreadyExists,
    kRetrying,  // done = seconds
  };
  virtual ~PullObserver() = default;
  // An image that is not there yet, or not by this name; before any layer.
  virtual void OnImage(const Image& image) = 0;
  // Not called at all for an image that is there already, by whatever name, as
  // Docker.
  virtual void OnLayer(const Digest& layer, Step step, uint64_t done,
                       uint64_t total) = 0;
  // Says in words what goes on instead, until the layer's next OnLayer().
  virtual void OnLayerNotice(const Digest& /*layer*/,
                             const std::string& /*text*/) {}
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_SOURCE_PULL_OBSERVER_H_
