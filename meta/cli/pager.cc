// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/pager.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <optional>
#include <ostream>
#include <span>
#include <streambuf>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/file.h"

extern char** environ;

namespace imgmount {
namespace {

constexpr char kDefaultPager[] = "less";
constexpr std::array kEnders = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
using Handler = void (*)(int);

// The pager that runs, for the signal handler.
std::atomic<int> running_pipe = -1;
std::atomic<pid_t> running_pid = -1;

int WaitFor(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// A tool that is interrupted waits for its pager, or both would read the
// terminal.
extern "C" void EndWithPager(int number) {
  ::close(running_pipe);
  WaitFor(running_pid);
  ::signal(number, SIG_DFL);
  ::raise(number);
}

std::string PagerCommand(const ToolIo& io) {
  for (const char* name : {"IMGMOUNT_PAGER", "PAGER"}) {
    if (const auto command = io.env(name)) return *command;
  }
  return kDefaultPager;
}

// Words that the shell would have to understand are left to it.
std::vector<std::string> Arguments(const std::string& command) {
  if (command.find_first_of("|&;<>()$`\\\"' \t\n*?[#~=%") ==
      std::string::npos) {
    return {command};
  }
  return {"sh", "-c", command};
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

struct Child {
  pid_t pid;
  UniqueFd input;
};

std::optional<Child> Start(const std::string& command, const ToolIo& io) {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  const UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);
  std::vector<std::string> words = Arguments(command);
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  // Quit when all fits the screen, pass colours, and leave the text there.
  if (!io.env("LESS")) variables.emplace_back("LESS=FRX");
  if (!io.env("LV")) variables.emplace_back("LV=-c");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDIN_FILENO);
  pid_t pid = -1;
  const int failed =
      ::posix_spawnp(&pid, words[0].c_str(), &actions, nullptr,
                     Pointers(words).data(), Pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return {};
  return Child{pid, std::move(input)};
}

}  // namespace

class PagedOutput::Stream : private std::streambuf, public std::ostream {
 public:
  Stream(const ToolIo& io, std::string command)
      : std::ostream(this), io_(io), command_(std::move(command)) {
    setp(buffer_.data(), buffer_.data() + buffer_.size());
  }
  ~Stream() override { Finish(); }

  // Whether all was written, or the reader left.
  bool Finish() {
    flush();
    End();
    return plain_ ? static_cast<bool>(io_.out.flush()) : reader_left_ || good();
  }

 private:
  using Traits = std::char_traits<char>;

  // The capacity of a pipe: where more has been written, somebody has read.
  static constexpr size_t kPipeBytes = 64 << 10;

  int overflow(int c) override {
    if (sync() != 0) return Traits::eof();
    if (c != Traits::eof()) sputc(static_cast<char>(c));
    return Traits::not_eof(c);
  }

  int sync() override {
    const std::string_view bytes(pbase(), pptr() - pbase());
    setp(buffer_.data(), buffer_.data() + buffer_.size());
    if (bytes.empty()) return 0;
    if (!plain_ && !child_ && !reader_left_) Begin();
    return Put(bytes) ? 0 : -1;
  }

  bool Put(std::string_view bytes) {
    if (plain_) return static_cast<bool>(io_.out << bytes);
    if (reader_left_) return false;
    if (unread_.size() <= kPipeBytes) unread_ += bytes;
    if (WriteAll(child_->input.get(), std::as_bytes(std::span(bytes)))) {
      return true;
    }
    End();
    return plain_;
  }

  void Begin() {
    child_ = Start(command_, io_);
    plain_ = !child_;
    if (plain_) return;
    running_pipe = child_->input.get();
    running_pid = child_->pid;
    old_sigpipe_ = ::signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < kEnders.size(); ++i) {
      old_enders_[i] = ::signal(kEnders[i], EndWithPager);
    }
  }

  // Waits for the pager. If it was none, its input goes to the terminal.
  void End() {
    if (!child_) return;
    const pid_t pid = child_->pid;
    child_->input = UniqueFd();
    const int status = WaitFor(pid);
    child_.reset();
    ::signal(SIGPIPE, old_sigpipe_);
    for (size_t i = 0; i < kEnders.size(); ++i) {
      ::signal(kEnders[i], old_enders_[i]);
    }
    // The shell's statuses for a program that it cannot find or start.
    plain_ = WIFEXITED(status) &&
             (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127);
    reader_left_ = !plain_;
    if (plain_) io_.out << unread_;
  }

  const ToolIo& io_;
  const std::string command_;
  std::array<char, 8192> buffer_;
  std::optional<Child> child_;
  Handler old_sigpipe_ = SIG_DFL;
  std::array<Handler, kEnders.size()> old_enders_ = {};
  std::string unread_;  // what the pager may not have read
  bool plain_ = false;
  bool reader_left_ = false;
};

void AddPagerOption(CLI::App& app, bool& wanted) {
  app.add_flag("!--no-pager", wanted,
               "Do not show long output in a pager ($IMGMOUNT_PAGER, else "
               "$PAGER, else less)");
}

PagedOutput::PagedOutput(const ToolIo& io, bool wanted)
    : stream_([&]() -> std::unique_ptr<Stream> {
        std::string command = PagerCommand(io);
        if (!wanted || !io.out_is_terminal || command.empty() ||
            command == "cat") {
          return nullptr;
        }
        return std::make_unique<Stream>(io, std::move(command));
      }()),
      io_{.out = stream_ ? *stream_ : io.out,
          .err = io.err,
          .out_is_terminal = io.out_is_terminal,
          .err_is_terminal = io.err_is_terminal,
          .env = io.env} {}

PagedOutput::~PagedOutput() = default;

Status PagedOutput::Finish() {
  const bool written =
      stream_ ? stream_->Finish() : static_cast<bool>(io_.out.flush());
  if (written) return {};
  return Fail(ErrorCode::kIo, "cannot write the output");
}

}  // namespace imgmount
