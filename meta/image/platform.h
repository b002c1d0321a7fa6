// SPDX-License-Identifier: Apache-2.0
// Platforms: "linux/amd64", "linux/arm64/v8" (containerd's platforms syntax:
// os[/arch[/variant]], or an architecture alone; x86_64, aarch64 … normalised).
#ifndef IMGMOUNT_META_IMAGE_PLATFORM_H_
#define IMGMOUNT_META_IMAGE_PLATFORM_H_

#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;     // may be empty
  std::string os_version;  // only ever set from an index

  static Result<Platform> Parse(std::string_view text);
  static Platform OfThisMachine();  // os is always linux

  // How well a candidate serves a machine of this platform: 0 not at all;
  // larger is better. As containerd's platforms.Only: arm/v7 also runs v6, v5;
  // amd64/v2 runs amd64.
  int Match(const Platform& candidate) const;

  std::string Text() const;  // "linux/arm64/v8"
  bool operator==(const Platform&) const = default;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_PLATFORM_H_
