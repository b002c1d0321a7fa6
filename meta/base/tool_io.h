// SPDX-License-Identifier: Apache-2.0
// Where a tool reads and writes, so that tests can call it in-process.
//
// Every tool is `int XMain(args, io)` (args without the program's name)
// behind a one-line main().
#ifndef IMGMOUNT_META_BASE_TOOL_IO_H_
#define IMGMOUNT_META_BASE_TOOL_IO_H_

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "meta/base/result.h"

namespace imgmount {

struct ToolIo {
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  // nullopt where the variable is not set.
  std::function<std::optional<std::string>(const std::string&)> env;

  // The process's own stdout, stderr and environment. Keeps the numbers of
  // closed standard streams taken: to be called before files are opened.
  static ToolIo OfProcess();
};

// The arguments without the program's name. What stands behind --creds is wiped
// from argv, so that ps(1) does not show it.
std::vector<std::string> TakeArguments(int argc, char** argv);

// Flushes io.out. `status`, unless that is 0 and not all could be written: then
// reports that.
int FinishOutput(const ToolIo& io, const std::string& tool, int status);

// Prints "tool: message" to io.err and returns the exit status.
int Report(const ToolIo& io, const std::string& tool, const Error& error);

// Does `act` with each item, whatever became of those before, unless that was
// an interruption. Returns the last error; those before it are reported.
template <typename Items, typename Act>
Status ForEach(const Items& items, const Act& act, const ToolIo& io,
               const std::string& tool) {
  Status last;
  for (const auto& item : items) {
    Status done = act(item);
    if (done) continue;
    if (!last) Report(io, tool, last.error());
    last = std::move(done);
    if (last.error().code() == ErrorCode::kCancelled) break;
  }
  return last;
}

}  // namespace imgmount

#endif  // IMGMOUNT_META_BASE_TOOL_IO_H_
