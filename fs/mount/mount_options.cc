// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/mount_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "meta/cli/suggest.h"

namespace imgmount {
namespace {

// Known to the kernel or to libfuse, and passed on.
constexpr std::string_view kPassed[] = {
    "allow_other",  "allow_root", "default_permissions",
    "auto_unmount", "suid",       "nosuid",
    "dev",          "nodev",      "exec",
    "noexec",       "atime",      "noatime",
    "sync",         "async",      "dirsync",
};

// Meant for mount(8), fstab and systemd, or true anyway, or about times and
// versions that never change here.
constexpr std::string_view kIgnored[] = {
    "ro",         "defaults",   "auto",        "noauto",        "nofail",
    "_netdev",    "nouser",     "user",        "users",         "nonempty",
    "relatime",   "norelatime", "strictatime", "nostrictatime", "lazytime",
    "nolazytime", "diratime",   "nodiratime",  "iversion",      "noiversion",
    "mand",       "nomand",     "silent",      "loud"};

// With a value.
constexpr std::string_view kValued[] = {"uid=", "gid=", "max_read=", "fsname="};

Failure UnknownOption(const std::string& option) {
  std::vector<std::string> known(std::begin(kPassed), std::end(kPassed));
  known.insert(known.end(), std::begin(kIgnored), std::end(kIgnored));
  known.insert(known.end(), std::begin(kValued), std::end(kValued));
  const size_t equals = option.find('=');
  const std::string name =
      equals == std::string::npos ? option : option.substr(0, equals + 1);
  const std::string hint = DidYouMean(name, known);
  return Fail(ErrorCode::kUsage,
              fmt::format("-o {}: unknown option{}", option,
                          hint.empty() ? "; see imgmount --help" : hint));
}

bool IsIn(std::span<const std::string_view> list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// The options of "a,b=c\,d"; a backslash takes the meaning from a comma.
std::vector<std::string> Split(std::string_view list) {
  std::vector<std::string> options(1);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] == ',') {
      options.emplace_back();
    } else {
      if (list[i] == '\\' && i + 1 < list.size()) ++i;
      options.back().push_back(list[i]);
    }
  }
  std::erase(options, "");
  return options;
}

Result<uint32_t> ParseNumber(std::string_view option, std::string_view text) {
  uint32_t number = 0;
  const auto parsed =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return Fail(ErrorCode::kUsage,
                fmt::format("-o {}={}: not a number", option, text));
  }
  return number;
}

// A user's or a group's; the largest number stands for none.
Result<uint32_t> ParseId(std::string_view option, std::string_view text) {
  IMGMOUNT_TRY(const uint32_t id, ParseNumber(option, text));
  if (id != std::numeric_limits<uint32_t>::max()) return id;
  return Fail(
      ErrorCode::kUsage,
      fmt::format("-o {}={}: no user or group has this number", option, text));
}

}  // namespace

Result<MountOptions> MountOptions::Parse(std::span<const std::string> lists,
                                         bool is_root) {
  MountOptions result;
  std::set<std::string> flags;
  const auto exclude = [&flags](const std::string& name) {
    flags.erase(name.starts_with("no") ? name.substr(2) : "no" + name);
  };

  for (const std::string& list : lists) {
    for (const std::string& option : Split(list)) {
      const size_t equals = option.find('=');
      const std::string name = option.substr(0, equals);
      const std::string value =
          equals == std::string::npos ? "" : option.substr(equals + 1);
      if (name == "rw") {
        return Fail(ErrorCode::kUsage,
                    "-o rw: an image is read-only; for changes, use the mount "
                    "as the lower directory of an overlay");
      }
      if (name.starts_with("x-") || name.starts_with("X-")) continue;
      if (equals == std::string::npos) {
        if (IsIn(kIgnored, name)) continue;
        if (!IsIn(kPassed, name)) {
          return UnknownOption(option);
        }
        exclude(name);
        flags.insert(name);
      } else if (name == "uid") {
        IMGMOUNT_TRY(result.uid, ParseId(name, value));
      } else if (name == "gid") {
        IMGMOUNT_TRY(result.gid, ParseId(name, value));
      } else if (name == "max_read") {
        IMGMOUNT_TRY(const uint32_t bytes, ParseNumber(name, value));
        if (bytes < 4096) {
          return Fail(ErrorCode::kUsage,
                      fmt::format("-o {}: at least 4096", option));
        }
        result.max_read = std::min(bytes, kMaxRead);
      } else if (name == "fsname") {
        if (value.empty()) {
          return Fail(ErrorCode::kUsage, "-o fsname=: a name is needed");
        }
        result.fsname = value;
      } else {
        return UnknownOption(option);
      }
    }
  }

  if (!is_root) {
    for (const char* name : {"suid", "dev"}) {
      if (flags.contains(name)) {
        return Fail(ErrorCode::kUsage,
                    fmt::format("-o {}: only root may ask for this", name));
      }
    }
  }
  if (flags.contains("allow_other") && flags.contains("allow_root")) {
    return Fail(ErrorCode::kUsage,
                "-o allow_other,allow_root: choose one of them");
  }
  // Whoever mounts an image as a user may read all of it: it is their data,
  // and the kernel keeps others out. Where others come in, modes count.
  if (is_root && !flags.contains("allow_root")) flags.insert("allow_other");
  if (flags.contains("allow_other")) flags.insert("default_permissions");
  for (const char* name : {"suid", "dev"}) {
    if (!flags.contains(name)) flags.insert(std::string("no") + name);
  }
  flags.insert("ro");
  result.flags.assign(flags.begin(), flags.end());
  return result;
}

}  // namespace imgmount
