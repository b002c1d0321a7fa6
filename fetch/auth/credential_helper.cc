// SPDX-License-Identifier: Apache-2.0
#include "fetch/auth/credential_helper.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fetch/http/http_client.h"
#include "meta/base/file.h"
#include "meta/image/json.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kMaxAnswer = 1 << 20;
// Docker's helpers print this when they have no login, which is no error.
constexpr char kNotFound[] = "credentials not found";

std::optional<fs::path> FindProgram(const std::string& program,
                                    std::string_view path) {
  while (!path.empty()) {
    const size_t colon = std::min(path.find(':'), path.size());
    const fs::path candidate = fs::path(path.substr(0, colon)) / program;
    if (colon > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    path.remove_prefix(std::min(colon + 1, path.size()));
  }
  return {};
}

struct Output {
  int status = 0;  // as of waitpid
  std::string text;
};

// Runs `program get`. A socket rather than pipes, so that a helper that does
// not read costs no SIGPIPE.
Result<Output> RunGet(const fs::path& program, const std::string& input) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return FailErrno("socketpair", errno);
  }
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
  std::string name = program.string();
  std::string verb = "get";
  char* const argv[] = {name.data(), verb.data(), nullptr};
  pid_t child = -1;
  const int error =
      ::posix_spawn(&child, name.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return FailErrno(name, error);
  theirs.Reset();

  ::send(ours.get(), input.data(), input.size(), MSG_NOSIGNAL);
  ::shutdown(ours.get(), SHUT_WR);
  Output output;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::recv(ours.get(), buffer, sizeof buffer, 0)) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    if (output.text.size() < kMaxAnswer) {
      output.text.append(buffer, static_cast<size_t>(n));
    }
  }
  while (::waitpid(child, &output.status, 0) < 0 && errno == EINTR) {
  }
  return output;
}

}  // namespace

Result<std::optional<Credential>> GetFromHelper(const std::string& name,
                                                const std::string& registry,
                                                const std::string& path) {
  const std::string program = "docker-credential-" + name;
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  const auto found = plain ? FindProgram(program, path) : std::nullopt;
  if (!found) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: credential helper not found in PATH",
                            Printable(program, 100)));
  }
  IMGMOUNT_TRY(const Output output, RunGet(*found, registry));
  if (!WIFEXITED(output.status) || WEXITSTATUS(output.status) != 0) {
    if (output.text.find(kNotFound) != std::string::npos) {
      return std::optional<Credential>();
    }
    return Fail(ErrorCode::kDenied,
                fmt::format("{}: failed for {}: {}", program, registry,
                            Printable(output.text, 200)));
  }
  const Json answer =
      ParseJson(output.text, program, kMaxAnswer).value_or(Json());
  const auto user = StringMember(answer, "Username");
  const auto secret = StringMember(answer, "Secret");
  if (!user || !secret) {
    // The answer is not shown, as it may hold the secret.
    return Fail(ErrorCode::kDenied, fmt::format("{}: no readable answer for {}",
                                                program, registry));
  }
  if (*user == "<token>") return Credential{"", "", *secret};
  return Credential{*user, *secret};
}

}  // namespace imgmount
