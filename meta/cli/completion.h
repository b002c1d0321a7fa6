// SPDX-License-Identifier: Apache-2.0
// The words that may come next on a command line, for the shells' completion.
#ifndef IMGMOUNT_META_CLI_COMPLETION_H_
#define IMGMOUNT_META_CLI_COMPLETION_H_

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace imgmount {

// A line per candidate for the last of `words` (which may be empty), with a tab
// and its description where there is one. Instead of what a shell finds itself,
// a line says what to look for: ":images", ":mounts", ":files" or ":folders".
// Candidates need not fit what has been typed of the word.
std::string Complete(const CLI::App& app,
                     const std::vector<std::string>& words);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_COMPLETION_H_
