// SPDX-License-Identifier: Apache-2.0
// A comparison as git prints it: a patch with the contents of text files.
//
// Shows what git knows of a file: type (file or symlink), the execute bit,
// content. `git apply` and `patch -p1` take it.
#ifndef IMGMOUNT_META_CHANGES_GIT_PATCH_H_
#define IMGMOUNT_META_CHANGES_GIT_PATCH_H_

#include <iosfwd>
#include <string>
#include <string_view>

#include "meta/base/result.h"
#include "meta/changes/change_report.h"

namespace imgmount {

// With blame, each file's layers before it. Files that are no text are named
// only, or with `style.binary` have their bytes; those larger than 64 MiB are
// named only.
Status WriteGitPatch(const Comparison& comparison, const TextStyle& style,
                     std::ostream& out);

// A path as git quotes it: as it is, or "a/with\ttab" as in C.
std::string GitQuoted(std::string_view path);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CHANGES_GIT_PATCH_H_
