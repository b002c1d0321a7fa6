// SPDX-License-Identifier: Apache-2.0
#include "meta/base/timestamp.h"

#include "meta/base/zoned_time.h"

namespace imgmount {

std::optional<Timestamp> ParseRfc3339(std::string_view text) {
  const auto time = ZonedTime::Parse(text);
  if (!time) return std::nullopt;
  return Timestamp{time->seconds, static_cast<uint32_t>(time->nanoseconds)};
}

}  // namespace imgmount
