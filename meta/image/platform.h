// SPDX-License-Identifier: Apache-2.0
// Platforms: "linux/amd64", "linux/arm64/v8" (containerd's platforms syntax:
// os[(version)][/arch[/variant]], or an architecture alone; x86_64, aarch64 …
// normalised).
#ifndef IMGMOUNT_META_IMAGE_PLATFORM_H_
#define IMGMOUNT_META_IMAGE_PLATFORM_H_

#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"

namespace imgmount {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;     // may be empty
  std::string os_version;  // Windows': "10.0.17763.1234"; may be empty
  // Features that an entry of an index needs ("win32k"); never wanted.
  std::vector<std::string> os_features = {};

  static Result<Platform> Parse(std::string_view text);
  static Platform OfThisMachine();  // os is always linux

  // How well a candidate serves a machine of this platform: 0 not at all;
  // larger is better. As containerd's platforms.Only: arm/v7 also runs v6, v5;
  // amd64/v2 runs amd64. A version that is wanted is that, or one of its
  // builds: 10.0.17763 takes 10.0.17763.1234.
  int Match(const Platform& candidate) const;
  // Whether it needs features that nobody here has. Windows' own matter only
  // to who runs an image.
  bool NeedsFeatures() const;

  // "linux/arm64/v8", "windows(10.0.17763.1234)/amd64"
  std::string Text() const;
  bool operator==(const Platform&) const = default;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_PLATFORM_H_
