// SPDX-License-Identifier: Apache-2.0
#include "fs/keep/keeper.h"

#include <fmt/format.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>

namespace imgmount {
namespace {

using Clock = std::chrono::steady_clock;

std::string HowItEnded(int status) {
  if (!WIFSIGNALED(status)) {
    return fmt::format("with status {}", WEXITSTATUS(status));
  }
  const char* const name = ::sigabbrev_np(WTERMSIG(status));
  return fmt::format("by SIG{}", name == nullptr ? "?" : name);
}

class Keeper {
 public:
  explicit Keeper(const KeeperConfig& config) : config_(config) {}

  Status Run() {
    ::sigemptyset(&awaited_);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR2}) {
      ::sigaddset(&awaited_, number);
    }
    ::sigprocmask(SIG_BLOCK, &awaited_, &before_);
    signals_ = UniqueFd(::signalfd(-1, &awaited_, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) return FailErrno("signals", errno);
    IMGMOUNT_TRY(journal_, RequestJournal::Open(config_.journal));
    Status status = StartServer();
    while (status && !ended_) status = Await();
    if (config_.on_server) config_.on_server(0);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    return status;
  }

 private:
  Status StartServer() {
    const pid_t keeper = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return FailErrno("fork", errno);
    if (child == 0) {
      // Nobody is left who would start another: the mount ends with its keeper.
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != keeper) ::_exit(kServerEnded);
      signals_.Reset();
      ::sigprocmask(SIG_SETMASK, &before_, nullptr);
      if (upgraded_) {
        config_.exec_installed();
        LogTo(config_.log,
              "the installed program cannot be run; going on with this");
      }
      ::_exit(config_.serve());
    }
    server_ = child;
    if (config_.on_server) config_.on_server(child);
    return {};
  }

  // Waits for something to happen, and deals with it.
  Status Await() {
    pollfd ready = {signals_.get(), POLLIN, 0};
    if (::poll(&ready, 1, -1) < 0 && errno != EINTR) {
      return FailErrno("poll", errno);
    }
    signalfd_siginfo got;
    while (::read(signals_.get(), &got, sizeof got) ==
           static_cast<ssize_t>(sizeof got)) {
      switch (got.ssi_signo) {
        case SIGCHLD:
          break;
        case SIGUSR2:
          if (config_.exec_installed) {
            upgraded_ = true;
            replacing_ = true;
            ::kill(server_, SIGKILL);
          }
          break;
        default:
          ending_ = true;
          ::kill(server_, SIGTERM);
      }
    }
    int status = 0;
    if (::waitpid(server_, &status, WNOHANG) != server_) return {};
    if (ending_ || (WIFEXITED(status) && WEXITSTATUS(status) == kServerEnded)) {
      ended_ = true;
      return {};
    }
    // It could not even begin, and the next one could not either.
    if (WIFEXITED(status) && !journal_->has_init()) {
      return Fail(ErrorCode::kMount, "the mount cannot be served");
    }
    if (!std::exchange(replacing_, false)) {
      LogTo(config_.log, fmt::format("the server ended {}; starting another",
                                     HowItEnded(status)));
      if (TooManyDeaths()) return GiveUp();
    }
    return StartServer();
  }

  bool TooManyDeaths() {
    const auto now = Clock::now();
    deaths_.push_back(now);
    while (now - deaths_.front() > config_.within) deaths_.pop_front();
    return deaths_.size() >= static_cast<size_t>(config_.max_deaths);
  }

  // Answers EIO to everything until the mount is gone.
  Status GiveUp() {
    LogTo(config_.log,
          fmt::format("the server ended {} times within {} s; the mount "
                      "answers EIO from now "
                      "on; unmount it (imgmount -u)",
                      deaths_.size(), config_.within.count() / 1000));
    if (config_.on_server) config_.on_server(0);
    IMGMOUNT_TRY(const auto journal, RequestJournal::Open(config_.journal));
    std::vector<std::byte> request(FUSE_MIN_READ_BUFFER + (2 << 20));
    while (!ended_) {
      const ssize_t got = journal->Read(config_.device, request);
      if (got > 0) {
        journal->Refuse(config_.device, request);
        continue;
      }
      if (got == 0 || errno == ENODEV) break;
      if (errno != EAGAIN && errno != EINTR && errno != ENOENT) {
        return FailErrno("/dev/fuse", errno);
      }
      pollfd ready[] = {{config_.device, POLLIN, 0},
                        {signals_.get(), POLLIN, 0}};
      ::poll(ready, 2, -1);
      signalfd_siginfo signal;
      while (::read(signals_.get(), &signal, sizeof signal) > 0) {
        ended_ |= signal.ssi_signo != SIGCHLD && signal.ssi_signo != SIGUSR2;
      }
    }
    ended_ = true;
    return {};
  }

  const KeeperConfig& config_;
  sigset_t awaited_ = {};
  sigset_t before_ = {};
  UniqueFd signals_;
  std::unique_ptr<RequestJournal> journal_;  // only looked at
  pid_t server_ = 0;
  bool upgraded_ = false;   // the next servers are the installed program
  bool replacing_ = false;  // the server was killed for that
  bool ending_ = false;     // the server was asked to end
  bool ended_ = false;
  std::deque<Clock::time_point> deaths_;
};

}  // namespace

Status KeepServed(const KeeperConfig& config) { return Keeper(config).Run(); }

}  // namespace imgmount
