// SPDX-License-Identifier: Apache-2.0
#include "meta/base/beneath.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace imgmount {
namespace fs = std::filesystem;
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

Status Remove(int parent, const char* name, const fs::path& shown);

Status RemoveContents(int parent, const char* name, const fs::path& shown) {
  const UniqueFd fd(
      ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return FailErrno(shown.string(), errno);
  const std::unique_ptr<DIR, CloseFolder> folder(
      ::fdopendir(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)));
  if (!folder) return FailErrno(shown.string(), errno);
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr) break;
    const char* child = entry->d_name;
    if (std::strcmp(child, ".") == 0 || std::strcmp(child, "..") == 0) continue;
    IMGMOUNT_CHECK(Remove(fd.get(), child, shown / child));
  }
  if (errno != 0) return FailErrno(shown.string(), errno);
  return {};
}

Status Remove(int parent, const char* name, const fs::path& shown) {
  if (::unlinkat(parent, name, 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR) return FailErrno(shown.string(), errno);
  IMGMOUNT_CHECK(RemoveContents(parent, name, shown));
  if (::unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return FailErrno(shown.string(), errno);
  }
  return {};
}

}  // namespace

Result<UniqueFd> OpenFolderBeneath(const fs::path& root,
                                   const fs::path& relative) {
  IMGMOUNT_TRY(UniqueFd folder, OpenFile(root, O_PATH | O_DIRECTORY));
  fs::path shown = root;
  for (const fs::path& name : relative) {
    shown /= name;
    if (name == "..") return FailErrno(shown.string(), EINVAL);
    // O_NOFOLLOW at each step is all that openat2(2) could do more here.
    const int next = ::openat(folder.get(), name.c_str(),
                              O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) return FailErrno(shown.string(), errno);
    folder = UniqueFd(next);
  }
  return folder;
}

Status RemoveBeneath(const fs::path& root, const fs::path& relative) {
  auto parent = OpenFolderBeneath(root, relative.parent_path());
  if (!parent) {
    if (parent.error().error_number() == ENOENT) return {};
    return Failure(parent.error());
  }
  return Remove(parent->get(), relative.filename().c_str(), root / relative);
}

}  // namespace imgmount
