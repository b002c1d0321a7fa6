// SPDX-License-Identifier: Apache-2.0
// Files that are no text in a patch of git's: their names for what is in them,
// and their bytes.
#ifndef IMGMOUNT_META_CHANGES_GIT_BINARY_H_
#define IMGMOUNT_META_CHANGES_GIT_BINARY_H_

#include <string>
#include <string_view>

#include "meta/base/result.h"
#include "meta/diff/diff_tree.h"

namespace imgmount {

// The blob ID of a file that is not there.
inline constexpr char kNoGitBlob[] = "0000000000000000000000000000000000000000";

// The ID that `git hash-object` prints for these bytes, or for a regular file.
std::string GitBlobId(std::string_view content);
Result<std::string> GitBlobId(DiffTree& tree, const Inode& file);

// The bytes as a "literal" of a "GIT binary patch", with the empty line that
// ends it (gitformat-patch: apply.c, base85.c).
std::string GitLiteral(std::string_view content);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CHANGES_GIT_BINARY_H_
