// SPDX-License-Identifier: Apache-2.0
#include "meta/toc/toc_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "meta/tar/entry_path.h"

namespace imgmount {
namespace {

Failure Differs(size_t number, std::string_view path, std::string_view what) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("the layer's table of contents is wrong: entry {}, "
                          "{}: {}",
                          number, QuoteName(path), what));
}

// As the estargz package writes times: to the second, and none for the first
// second of 1970.
bool SameTime(const Timestamp& toc, const Timestamp& tar) {
  if (toc == tar) return true;
  if (toc.nanoseconds != 0) return false;
  if (tar.seconds == 0) return toc.seconds == 0;
  constexpr uint32_t kHalf = 500'000'000;
  return toc.seconds == tar.seconds + (tar.nanoseconds >= kHalf ? 1 : 0);
}

// What is different, or "".
std::string Difference(const EntryView& toc, const EntryView& tar) {
  const auto numbers = [](std::string_view what, auto a, auto b) {
    return fmt::format("{} {}, {} in the tar", what, a, b);
  };
  if (toc.type != tar.type) return "another type in the tar";
  if (toc.mode != tar.mode) {
    return fmt::format("mode {:04o}, {:04o} in the tar", toc.mode, tar.mode);
  }
  if (toc.uid != tar.uid) return numbers("uid", toc.uid, tar.uid);
  if (toc.gid != tar.gid) return numbers("gid", toc.gid, tar.gid);
  if (!SameTime(toc.mtime, tar.mtime)) {
    return fmt::format("time {}.{:09}, {}.{:09} in the tar", toc.mtime.seconds,
                       toc.mtime.nanoseconds, tar.mtime.seconds,
                       tar.mtime.nanoseconds);
  }
  if (toc.size != tar.size) return numbers("size", toc.size, tar.size);
  if (toc.link_target != tar.link_target) return "another target in the tar";
  if (toc.device_major != tar.device_major ||
      toc.device_minor != tar.device_minor) {
    return "another device number in the tar";
  }
  if (!std::ranges::equal(toc.xattrs, tar.xattrs)) {
    return "other xattrs in the tar";
  }
  return {};
}

}  // namespace

Status CompareTocWithTar(const LayerIndex& toc, const LayerIndex& tar) {
  const size_t common = std::min(toc.size(), tar.size());
  for (size_t i = 0; i < common; ++i) {
    const EntryView said = toc.entry(i);
    const EntryView is = tar.entry(i);
    if (said.path != is.path) {
      return Differs(i, said.path, QuoteName(is.path) + " in the tar");
    }
    if (const auto what = Difference(said, is); !what.empty()) {
      return Differs(i, said.path, what);
    }
  }
  if (toc.size() > common) {
    return Differs(common, toc.entry(common).path, "not in the tar");
  }
  if (tar.size() > common) {
    return Differs(common, tar.entry(common).path, "only in the tar");
  }
  return {};
}

}  // namespace imgmount
