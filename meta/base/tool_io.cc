#include "meta/base/tool_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string_view>

namespace imgmount {

ToolIo ToolIo::OfProcess() {
  // Who was started without one of the standard streams would open something
  // else in its place.
  while (true) {
    const int fd = ::open("/dev/null", O_RDWR);
    if (fd > STDERR_FILENO) ::close(fd);
    if (fd < 0 || fd > STDERR_FILENO) break;
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

int Report(const ToolIo& io, const std::string& tool, const Error& error) {
  io.err << tool << ": " << error.message() << '\n';
  return ExitStatus(error);
}

}  // namespace imgmount
