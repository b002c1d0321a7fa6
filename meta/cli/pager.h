// SPDX-License-Identifier: Apache-2.0
// Long output through a pager, as git does it.
#ifndef IMGMOUNT_META_CLI_PAGER_H_
#define IMGMOUNT_META_CLI_PAGER_H_

#include <memory>

#include "meta/base/result.h"
#include "meta/base/tool_io.h"

namespace CLI {
class App;
}

namespace imgmount {

// Declares --no-pager; `wanted` is false with it.
void AddPagerOption(CLI::App& app, bool& wanted);

// A tool's output. On a terminal, $IMGMOUNT_PAGER, $PAGER or less(1) shows it,
// started with the first byte; where none can be started, or it is "cat" or "",
// the output goes to the terminal itself. Elsewhere it is `io.out`.
class PagedOutput {
 public:
  // `io` outlives this.
  PagedOutput(const ToolIo& io, bool wanted);
  ~PagedOutput();
  PagedOutput(const PagedOutput&) = delete;
  PagedOutput& operator=(const PagedOutput&) = delete;

  // As the tool's own, with `out` as above: it is bad once nobody reads it.
  const ToolIo& io() const { return io_; }
  // Writes what is left and waits until the reader has seen enough. kIo when
  // the output could not be written; leaving the pager early is no error.
  Status Finish();

 private:
  class Stream;
  const std::unique_ptr<Stream> stream_;  // null: none is wanted
  const ToolIo io_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_PAGER_H_
