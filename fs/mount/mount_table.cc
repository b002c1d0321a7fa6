// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/mount_table.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <system_error>

#include "meta/base/file.h"

extern char** environ;

namespace imgmount {
namespace {

constexpr char kMountInfo[] = "/proc/self/mountinfo";
constexpr size_t kMaxMountInfo = 256 << 20;

// The kernel writes space, tab, newline and backslash as \ooo.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::sscanf(std::string(text.substr(i + 1, 3)).c_str(), "%3o", &code) ==
            1) {
      out.push_back(static_cast<char>(code));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

Status RunFusermount(const std::filesystem::path& point, Unmount how) {
  std::string arguments[] = {"fusermount3", "-u", "-q", "--", point.string()};
  if (how == Unmount::kLazy) arguments[2] = "-qz";
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int spawned =
      ::posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environ);
  if (spawned == ENOENT) {
    return Fail(ErrorCode::kMount,
                "fusermount3 is missing; install the package fuse3");
  }
  if (spawned != 0) return FailErrno("fusermount3", spawned);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return FailErrno("fusermount3", errno);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return Fail(ErrorCode::kMount,
                fmt::format("{} cannot be unmounted: it is in use (fuser -vm "
                            "{} shows by whom) or another user's mount",
                            point.string(), point.string()));
  }
  return {};
}

}  // namespace

std::vector<MountEntry> ParseMountInfo(std::string_view text) {
  std::vector<MountEntry> entries;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    // 36 35 98:0 /root /mnt options [optional …] - type source options
    std::istringstream fields(line);
    std::string id, parent, device, root, point, field;
    MountEntry entry;
    fields >> id >> parent >> device >> root >> point;
    while (fields >> field && field != "-") {
    }
    std::string source;
    unsigned device_major = 0;
    unsigned device_minor = 0;
    if (!(fields >> entry.type >> source) ||
        std::sscanf(device.c_str(), "%u:%u", &device_major, &device_minor) !=
            2) {
      continue;
    }
    entry.device = ::makedev(device_major, device_minor);
    entry.point = Unescape(point);
    entry.source = Unescape(source);
    std::string options;
    fields >> options;
    const size_t user = options.find("user_id=");
    if (user != std::string::npos) {
      entry.owner = static_cast<uid_t>(
          std::strtoul(options.c_str() + user + 8, nullptr, 10));
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<std::vector<MountEntry>> ReadMountTable() {
  IMGMOUNT_TRY(const std::string text, ReadFile(kMountInfo, kMaxMountInfo));
  return ParseMountInfo(text);
}

std::optional<MountEntry> MountAt(const std::vector<MountEntry>& table,
                                  const std::filesystem::path& point) {
  std::optional<MountEntry> found;
  for (const MountEntry& entry : table) {
    if (entry.point == point.string()) found = entry;
  }
  return found;
}

Result<std::filesystem::path> MountPointPath(
    const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return FailErrno(path.string(), error.value());
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  const std::filesystem::path name = absolute.filename();
  // Canonical as a whole where that can be: DIR may be a link or "..".
  std::filesystem::path canonical = std::filesystem::canonical(absolute, error);
  if (!error) return canonical;
  canonical = std::filesystem::canonical(absolute.parent_path(), error);
  if (error) return FailErrno(path.string(), error.value());
  return canonical / name;
}

Status UnmountPoint(const std::filesystem::path& point, Unmount how) {
  if (::geteuid() != 0) return RunFusermount(point, how);
  const int flags = UMOUNT_NOFOLLOW | (how == Unmount::kLazy ? MNT_DETACH : 0);
  if (::umount2(point.c_str(), flags) == 0) return {};
  if (errno == EBUSY) {
    return Fail(ErrorCode::kMount,
                fmt::format("{} is in use; fuser -vm {} shows by whom, and "
                            "imgmount -u --lazy {} ends it nevertheless",
                            point.string(), point.string(), point.string()));
  }
  return Failure(Error(ErrorCode::kMount,
                       fmt::format("{}: {}", point.string(),
                                   std::generic_category().message(errno)),
                       errno));
}

}  // namespace imgmount
