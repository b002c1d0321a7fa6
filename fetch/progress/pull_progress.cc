// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/pull_progress.h"

#include <ostream>

#include "fetch/progress/json_progress.h"
#include "fetch/progress/pull_display.h"

namespace imgmount {

std::unique_ptr<PullProgress> MakeProgress(std::ostream& out, bool is_terminal,
                                           int fd, ProgressStyle style,
                                           bool quiet) {
  using Style = PullDisplay::Style;
  if (quiet) {
    return std::make_unique<PullDisplay>(out, Style::kQuiet, fd);
  }
  switch (style) {
    case ProgressStyle::kJson:
      return std::make_unique<JsonProgress>(out);
    case ProgressStyle::kPlain:
      return std::make_unique<PullDisplay>(out, Style::kPlain, fd);
    case ProgressStyle::kAuto:
      break;
  }
  return std::make_unique<PullDisplay>(
      out, is_terminal ? Style::kTerminal : Style::kPlain, fd);
}

}  // namespace imgmount
