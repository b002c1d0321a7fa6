// SPDX-License-Identifier: Apache-2.0
#include "fetch/source/transport.h"

#include <fmt/format.h>

#include <utility>

namespace imgmount {
namespace {

constexpr std::pair<std::string_view, Transport> kFileTransports[] = {
    {"oci:", Transport::kOciLayout},
    {"oci-archive:", Transport::kOciArchive},
    {"docker-archive:", Transport::kDockerArchive},
};

constexpr std::pair<std::string_view, Transport> kEngines[] = {
    {"docker-daemon:", Transport::kDockerDaemon},
    {"containers-storage:", Transport::kContainersStorage},
};

// Removes `prefix` from the front of `text`, if it is there.
bool ConsumePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

Result<ImageName> ImageName::Parse(std::string_view text) {
  if (ConsumePrefix(text, "docker://")) {
    return ImageName{Transport::kRegistry, "", std::string(text), true};
  }
  for (const auto& [prefix, transport] : kFileTransports) {
    if (!ConsumePrefix(text, prefix)) continue;
    // The first colon ends the path; names in a layout may have more.
    const size_t colon = text.find(':');
    ImageName name{transport, std::string(text.substr(0, colon)), ""};
    if (colon != std::string_view::npos) {
      name.reference = text.substr(colon + 1);
    }
    if (name.path.empty()) {
      return Fail(ErrorCode::kUsage,
                  fmt::format("{0} needs a path, as in {0}PATH:TAG", prefix));
    }
    return name;
  }
  for (const auto& [prefix, transport] : kEngines) {
    if (!ConsumePrefix(text, prefix)) continue;
    if (text.empty() || text.starts_with('[')) {
      return Fail(
          ErrorCode::kUsage,
          fmt::format("{0} needs an image's name, as in {0}app:1", prefix));
    }
    return ImageName{transport, "", std::string(text)};
  }
  if (text.starts_with("dir:")) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("dir: is not supported; copy the image with "
                            "`skopeo copy {} oci:DIR` and use oci:DIR",
                            text));
  }
  return ImageName{Transport::kRegistry, "", std::string(text)};
}

}  // namespace imgmount
