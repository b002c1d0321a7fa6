// SPDX-License-Identifier: Apache-2.0
#include "fetch/lazy/lazy_fill.h"

#include <sys/resource.h>

#include <exception>
#include <string>
#include <utility>

#include "meta/base/quiet_thread.h"

namespace imgmount {

LazyFill::LazyFill(std::shared_ptr<const LazyLayers> layers,
                   std::function<void(std::string_view)> log)
    : layers_(std::move(layers)), log_(std::move(log)) {
  thread_ = StartQuietThread([this] { Run(); });
}

LazyFill::~LazyFill() {
  stop_ = true;
  thread_.join();
}

void LazyFill::Run() {
  // For this thread and those that it starts, a first pass's: nobody waits
  // for them.
  constexpr int kNice = 10;
  ::setpriority(PRIO_PROCESS, 0, kNice);
  for (size_t i = 0; i < layers_->layer_count() && !stop_; ++i) {
    const auto fill = [&]() -> Status {
      try {
        return layers_->Fill(i, [this] { return stop_.load(); });
      } catch (const std::exception& exception) {
        return Fail(ErrorCode::kInternal, exception.what());
      }
    };
    const Status filled = fill();
    if (filled || filled.error().code() == ErrorCode::kCancelled) continue;
    log_("layer " + std::to_string(i) + ": " + filled.error().message());
  }
}

}  // namespace imgmount
