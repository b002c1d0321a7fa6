// SPDX-License-Identifier: Apache-2.0
#include "fs/mount/fuse_mount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include "fs/fuse/fuse_api.h"
#include "fs/mount/mount_table.h"
#include "meta/base/file.h"

namespace imgmount {
namespace {

constexpr char kFuseDevice[] = "/dev/fuse";

Status CheckFuseDevice() {
  const auto device = OpenFile(kFuseDevice, O_RDWR);
  if (device) return {};
  switch (device.error().error_number()) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return Fail(ErrorCode::kMount,
                  "/dev/fuse is missing; load the module (modprobe fuse), or "
                  "start the container with --device /dev/fuse");
    case EACCES:
    case EPERM:
      return Fail(ErrorCode::kMount,
                  "/dev/fuse: permission denied; root can allow its use "
                  "(chmod 666 /dev/fuse), or the container's device rules");
    default:
      return {};  // libfuse will say it better
  }
}

Status Mount(fuse_session* session, const MountConfig& config) {
  int failed = 0;
  std::string reason = CaptureMessages([&] {
    failed = ::fuse_session_mount(session, config.mount_point.c_str());
  });
  if (failed == 0) return {};
  IMGMOUNT_CHECK(CheckFuseDevice());
  if (::geteuid() != 0 && ::access("/usr/bin/fusermount3", X_OK) != 0 &&
      ::access("/bin/fusermount3", X_OK) != 0) {
    reason = "fusermount3 is missing; install the package fuse3";
  }
  return Fail(ErrorCode::kMount,
              fmt::format("cannot mount on {}: {}", config.mount_point.string(),
                          reason.empty() ? "the kernel refused" : reason));
}

// An aborted connection leaves a dead mount behind. Its device alone does not
// tell it from a new one on its place: the kernel uses numbers again.
void RemoveDeadMount(const std::filesystem::path& point, dev_t device) {
  struct statvfs asked = {};  // never out of the kernel's memory
  if (::statvfs(point.c_str(), &asked) == 0) return;
  const auto table = ReadMountTable();
  if (!table) return;
  const auto mount = MountAt(*table, point);
  if (mount && mount->is_ours() && mount->device == device) {
    (void)UnmountPoint(point, Unmount::kLazy);
  }
}

}  // namespace

Result<std::filesystem::path> CheckMountPoint(
    const std::filesystem::path& path) {
  const auto wrong = [&path](std::string_view what) {
    return Fail(ErrorCode::kMount,
                fmt::format("mount point {} {}", path.string(), what));
  };
  const auto canonical = MountPointPath(path);
  if (!canonical) return wrong("does not exist; make it first (mkdir)");
  IMGMOUNT_TRY(const auto table, ReadMountTable());
  const auto mounted = MountAt(table, *canonical);
  if (mounted && mounted->is_ours()) {
    return wrong(
        fmt::format("is in use: {} is mounted there; unmount it "
                    "first (imgmount -u {})",
                    mounted->source, path.string()));
  }
  struct stat st = {};
  if (::stat(canonical->c_str(), &st) != 0) {
    if (errno == ENOENT) return wrong("does not exist; make it first (mkdir)");
    return wrong("cannot be used: " + std::generic_category().message(errno));
  }
  if (!S_ISDIR(st.st_mode)) return wrong("is not a directory");
  IMGMOUNT_CHECK(CheckFuseDevice());
  return *canonical;
}

Result<FuseMount> FuseMount::Create(const MountConfig& config) {
  FuseMount mount(config);
  IMGMOUNT_TRY(auto session,
               NewFuseSession(config.name, config.options, nullptr));
  const std::shared_ptr<void> lock = config.lock ? config.lock() : nullptr;
  IMGMOUNT_CHECK(CheckMountPoint(config.mount_point));
  IMGMOUNT_CHECK(Mount(session.get(), config));
  mount.mounter_ = std::move(session);
  mount.device_ = ::fuse_session_fd(mount.mounter_.get());
  const int flags = ::fcntl(mount.device_, F_GETFL);
  if (flags < 0 || ::fcntl(mount.device_, F_SETFL, flags | O_NONBLOCK) < 0) {
    return FailErrno(kFuseDevice, errno);
  }
  IMGMOUNT_TRY(const auto table, ReadMountTable());
  const auto mounted = MountAt(table, config.mount_point);
  if (mounted) mount.number_ = mounted->device;
  return mount;
}

FuseMount::~FuseMount() { Unmount(); }

void FuseMount::Unmount() {
  if (!mounter_) return;
  ::fuse_session_unmount(mounter_.get());
  mounter_.reset();
  if (number_ != 0) RemoveDeadMount(config_.mount_point, number_);
}

}  // namespace imgmount
