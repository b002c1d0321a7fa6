// SPDX-License-Identifier: Apache-2.0
#include "meta/tar/entry_path.h"

#include "meta/text/printable.h"

namespace imgmount {
namespace {

// The component at the front of `path`, which is cut off it with its slash.
std::string_view TakeComponent(std::string_view& path) {
  const size_t slash = path.find('/');
  const std::string_view component = path.substr(0, slash);
  path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  return component;
}

}  // namespace

Result<std::string> NormalizeEntryPath(std::string_view raw) {
  if (raw.find('\0') != std::string_view::npos) {
    return Fail(ErrorCode::kCorrupt, "name with a NUL: " + Quoted(raw));
  }
  const bool absolute = raw.starts_with('/');
  std::string path;
  for (std::string_view rest = raw; !rest.empty();) {
    const std::string_view component = TakeComponent(rest);
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      if (path.empty() && !absolute) {
        return Fail(ErrorCode::kCorrupt,
                    "name outside the root: " + Quoted(raw));
      }
      const size_t slash = path.rfind('/');
      path.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    if (component.size() > kMaxNameBytes) {
      return Fail(ErrorCode::kUnsupported,
                  "name of more than 255 bytes, which no Linux file system can "
                  "show: " +
                      Quoted(component));
    }
    if (!path.empty()) path += '/';
    path += component;
    if (path.size() > kMaxPathBytes) {
      return Fail(ErrorCode::kUnsupported,
                  "path of more than 64 KiB: " + Quoted(raw));
    }
  }
  return path;
}

bool IsNormalizedEntryPath(std::string_view path) {
  if (path.size() > kMaxPathBytes || path.ends_with('/') ||
      path.find('\0') != std::string_view::npos) {
    return false;
  }
  while (!path.empty()) {
    const std::string_view component = TakeComponent(path);
    if (component.empty() || component == "." || component == ".." ||
        component.size() > kMaxNameBytes) {
      return false;
    }
  }
  return true;
}

}  // namespace imgmount
