// SPDX-License-Identifier: Apache-2.0
#include "meta/base/tool_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string_view>

namespace imgmount {

ToolIo ToolIo::OfProcess() {
  // Nothing else may get the number of a standard stream that is closed. Using
  // it stays an error: it is opened for the other direction.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
  return {.out = std::cout,
          .err = std::cerr,
          .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
          .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
          .env = [](const std::string& name) -> std::optional<std::string> {
            const char* value = std::getenv(name.c_str());
            if (value == nullptr) return std::nullopt;
            return value;
          }};
}

std::vector<std::string> TakeArguments(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  constexpr std::string_view kSecret = "--creds";
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    size_t keep = arg.size();
    if (arg.starts_with(kSecret) && arg.substr(kSecret.size(), 1) == "=") {
      keep = kSecret.size() + 1;
    } else if (argv[i - 1] == kSecret) {
      keep = 0;
    }
    std::memset(argv[i] + keep, '*', arg.size() - keep);
  }
  return args;
}

int FinishOutput(const ToolIo& io, const std::string& tool, int status) {
  if (io.out.flush() || status != 0) return status;
  return Report(io, tool, Error(ErrorCode::kIo, "cannot write the output"));
}

int Report(const ToolIo& io, const std::string& tool, const Error& error) {
  io.err << tool << ": " << error.message() << '\n';
  return ExitStatus(error);
}

}  // namespace imgmount
