// SPDX-License-Identifier: Apache-2.0
#include "fs/keep/keeper.h"

#include <fmt/format.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "fs/keep/server_watch.h"

namespace imgmount {
namespace {

using Clock = std::chrono::steady_clock;

// From the end of a server's first thread to that of its process, as a rule.
constexpr std::chrono::milliseconds kTimeToEnd{20};

std::string HowItEnded(int status) {
  if (!WIFSIGNALED(status)) {
    return fmt::format("with status {}", WEXITSTATUS(status));
  }
  const char* const name = ::sigabbrev_np(WTERMSIG(status));
  return fmt::format("by SIG{}", name == nullptr ? "?" : name);
}

// Signals since they were last looked at. A process has one keeper at most.
constexpr uint32_t kChild = 1;
constexpr uint32_t kUpgrade = 2;
constexpr uint32_t kEnd = 4;
std::atomic<uint32_t> came = 0;
std::atomic<ServerWatch*> to_wake = nullptr;

void OnSignal(int number) {
  const int error = errno;
  came |= number == SIGCHLD ? kChild : number == SIGUSR2 ? kUpgrade : kEnd;
  if (ServerWatch* const watch = to_wake) watch->Wake();
  errno = error;
}

// The keeper's signals come to OnSignal() while it lives, and are held back for
// as long as a Block does.
class KeeperSignals {
 public:
  explicit KeeperSignals(ServerWatch& watch) {
    to_wake = &watch;
    struct sigaction action = {};
    action.sa_handler = OnSignal;
    ::sigemptyset(&set_);
    for (size_t i = 0; i < kNumbers.size(); ++i) {
      ::sigaddset(&set_, kNumbers[i]);
      ::sigaction(kNumbers[i], &action, &before_[i]);
    }
    ::sigprocmask(SIG_UNBLOCK, &set_, &mask_before_);
  }
  ~KeeperSignals() { Restore(); }
  KeeperSignals(const KeeperSignals&) = delete;
  KeeperSignals& operator=(const KeeperSignals&) = delete;

  // As they were before: for a server.
  void Restore() const {
    for (size_t i = 0; i < kNumbers.size(); ++i) {
      ::sigaction(kNumbers[i], &before_[i], nullptr);
    }
    ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    to_wake = nullptr;
  }

  class Block {
   public:
    explicit Block(const KeeperSignals& signals) {
      ::sigprocmask(SIG_BLOCK, &signals.set_, &mask);
    }
    ~Block() { ::sigprocmask(SIG_SETMASK, &mask, nullptr); }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    sigset_t mask;  // without it
  };

 private:
  static constexpr std::array kNumbers = {SIGCHLD, SIGTERM, SIGINT, SIGHUP,
                                          SIGUSR2};
  sigset_t set_;
  sigset_t mask_before_;
  std::array<struct sigaction, kNumbers.size()> before_;
};

class Keeper {
 public:
  Keeper(const KeeperConfig& config, ServerWatch watch)
      : config_(config), watch_(std::move(watch)), signals_(watch_) {}

  Status Run() {
    IMGMOUNT_TRY(journal_, RequestJournal::Open(config_.journal));
    Status status = StartServer();
    while (status && !ended_) status = Await();
    if (config_.on_server) config_.on_server(0);
    return status;
  }

 private:
  Status StartServer() {
    const pid_t keeper = ::getpid();
    watch_.Expect();
    const KeeperSignals::Block block(signals_);
    const pid_t child = ::fork();
    if (child < 0) return FailErrno("fork", errno);
    if (child == 0) {
      // Nobody is left who would start another: the mount ends with its keeper.
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != keeper) ::_exit(kServerEnded);
      signals_.Restore();
      if (upgraded_) {
        config_.exec_installed();
        LogTo(config_.log,
              "the installed program cannot be run; going on with this");
      }
      watch_.Enter();
      const int status = config_.serve();
      watch_.Leave();
      ::_exit(status);
    }
    server_ = child;
    if (config_.on_server) config_.on_server(child);
    return {};
  }

  // Waits for something to happen, and deals with it.
  Status Await() {
    const bool is_ending = watch_.FirstThreadEnded();
    watch_.Wait(is_ending ? std::optional(kTimeToEnd) : std::nullopt);
    const uint32_t signals = came.exchange(0);
    if ((signals & kUpgrade) != 0 && config_.exec_installed) {
      upgraded_ = true;
      replacing_ = true;
      ::kill(server_, SIGKILL);
    }
    if ((signals & kEnd) != 0) {
      ending_ = true;
      ::kill(server_, SIGTERM);
    }
    // Those before it as well, if they could not end at the time.
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended == server_) return OnServerEnd(status);
    }
    // Its other threads wait for what only the next one gives.
    if (is_ending && !ending_) return OnServerEnd(SIGKILL);
    return {};
  }

  // `status` as of waitpid(2).
  Status OnServerEnd(int status) {
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
      const KeeperSignals::Block block(signals_);
      pollfd ready = {config_.device, POLLIN, 0};
      if (came == 0) ::ppoll(&ready, 1, nullptr, &block.mask);
      ended_ |= (came.exchange(0) & kEnd) != 0;
    }
    ended_ = true;
    return {};
  }

  const KeeperConfig& config_;
  ServerWatch watch_;
  const KeeperSignals signals_;
  std::unique_ptr<RequestJournal> journal_;  // only looked at
  pid_t server_ = 0;
  bool upgraded_ = false;   // the next servers are the installed program
  bool replacing_ = false;  // the server was killed for that
  bool ending_ = false;     // the server was asked to end
  bool ended_ = false;
  std::deque<Clock::time_point> deaths_;
};

}  // namespace

Status KeepServed(const KeeperConfig& config) {
  IMGMOUNT_TRY(ServerWatch watch, ServerWatch::Create());
  return Keeper(config, std::move(watch)).Run();
}

}  // namespace imgmount
