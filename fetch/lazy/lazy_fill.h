// SPDX-License-Identifier: Apache-2.0
// LazyFill: brings what a lazy mount's layers lack, one after the other, while
// nobody waits for anything. A thread of its own, until it is destroyed or all
// is here.
#ifndef IMGMOUNT_FETCH_LAZY_LAZY_FILL_H_
#define IMGMOUNT_FETCH_LAZY_LAZY_FILL_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>

#include "fetch/lazy/lazy_layers.h"

namespace imgmount {

class LazyFill {
 public:
  // `log` is told what stops a layer from being completed.
  LazyFill(std::shared_ptr<const LazyLayers> layers,
           std::function<void(std::string_view)> log);
  ~LazyFill();
  LazyFill(const LazyFill&) = delete;
  LazyFill& operator=(const LazyFill&) = delete;

 private:
  void Run();

  const std::shared_ptr<const LazyLayers> layers_;
  const std::function<void(std::string_view)> log_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_LAZY_LAZY_FILL_H_
