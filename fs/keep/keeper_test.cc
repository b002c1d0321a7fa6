// SPDX-License-Identifier: Apache-2.0
#include "fs/keep/keeper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace imgmount {
namespace {

// The keeper runs in a process of its own, and a socket pair stands in for
// /dev/fuse.
class KeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    kernel_ = UniqueFd(ends[0]);
    device_ = UniqueFd(ends[1]);
    ASSERT_EQ(::fcntl(device_.get(), F_SETFL, O_NONBLOCK), 0);
    ASSERT_EQ(::pipe2(events_, O_CLOEXEC), 0);
    auto memory = RequestJournal::CreateMemory();
    ASSERT_TRUE(memory);
    memory_ = *std::move(memory);
    config_.device = device_.get();
    config_.journal = memory_.get();
    config_.log = [this](std::string_view line) { Event('l', line); };
    config_.serve = [this] { return Serve(); };
  }
  void TearDown() override {
    if (keeper_ > 0) {
      ::kill(keeper_, SIGKILL);
      ::waitpid(keeper_, nullptr, 0);
    }
    ::close(events_[0]);
    ::close(events_[1]);
  }

  void Start() {
    Introduce();
    keeper_ = ::fork();
    if (keeper_ == 0) {
      kernel_.Reset();
      ::_exit(KeepServed(config_) ? 0 : 1);
    }
    ASSERT_GT(keeper_, 0);
  }

  // Answers all requests with the error EPERM, but dies of the nodeid 666.
  int Serve() {
    auto journal = RequestJournal::Open(config_.journal);
    if (!journal) return 1;
    if (cannot_begin_) return 1;
    Event('s', std::to_string(::getpid()));
    std::vector<std::byte> request(FUSE_MIN_READ_BUFFER);
    while (true) {
      const ssize_t got = (*journal)->Read(config_.device, request);
      if (got == 0) return kServerEnded;
      if (got < 0) {
        pollfd ready = {config_.device, POLLIN, 0};
        ::poll(&ready, 1, -1);
        continue;
      }
      fuse_in_header header;
      std::memcpy(&header, request.data(), sizeof header);
      if (header.nodeid == 666) ::raise(SIGSEGV);
      if (header.nodeid == 667) EndFirstThread();
      fuse_out_header answer = {sizeof answer, -EPERM, header.unique};
      const iovec part = {&answer, sizeof answer};
      (void)(*journal)->Write(config_.device, {&part, 1});
    }
  }

  // As when a server is killed of which another thread cannot end.
  [[noreturn]] static void EndFirstThread() {
    std::thread([] {
      while (true) ::pause();
    }).detach();
    ::syscall(SYS_exit, 0);
    std::abort();
  }

  // As the kernel and the first server do.
  void Introduce() {
    auto journal = RequestJournal::Open(memory_.get());
    ASSERT_TRUE(journal);
    if (introduced_ || cannot_begin_) return;
    introduced_ = true;
    fuse_in_header init = {};
    init.len = sizeof init;
    init.opcode = FUSE_INIT;
    init.unique = ++unique_;
    ASSERT_GT(::send(kernel_.get(), &init, sizeof init, 0), 0);
    std::vector<std::byte> request(FUSE_MIN_READ_BUFFER);
    ASSERT_GT((*journal)->Read(device_.get(), request), 0);
    fuse_out_header answer = {sizeof answer, 0, init.unique};
    const iovec part = {&answer, sizeof answer};
    ASSERT_GT((*journal)->Write(device_.get(), {&part, 1}), 0);
    ASSERT_GT(::recv(kernel_.get(), &answer, sizeof answer, 0), 0);
  }

  void Event(char kind, std::string_view text) {
    std::string line = std::string(1, kind) + std::string(text) + "\n";
    (void)!::write(events_[1], line.data(), line.size());
  }
  // The next line that servers and keeper told.
  std::string NextEvent() {
    std::string line;
    for (char c; ::read(events_[0], &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }
  pid_t NextServer() {
    for (std::string event = NextEvent();; event = NextEvent()) {
      if (event.starts_with('s')) return std::stoi(event.substr(1));
    }
  }

  int Ask(uint64_t nodeid = 1) {
    fuse_in_header header = {};
    header.len = sizeof header;
    header.opcode = FUSE_GETATTR;
    header.nodeid = nodeid;
    header.unique = ++unique_;
    EXPECT_EQ(::send(kernel_.get(), &header, sizeof header, 0),
              static_cast<ssize_t>(sizeof header));
    // A server that dies right after an answer leaves the request, and the next
    // one answers it again; the kernel would refuse that.
    fuse_out_header answer = {};
    while (answer.unique != unique_) {
      if (::recv(kernel_.get(), &answer, sizeof answer, 0) <= 0) return 0;
    }
    return answer.error;
  }

  int KeepersStatus() {
    int status = 0;
    EXPECT_EQ(::waitpid(keeper_, &status, 0), keeper_);
    keeper_ = 0;
    return status;
  }

  UniqueFd kernel_;
  UniqueFd device_;
  UniqueFd memory_;
  int events_[2];
  KeeperConfig config_;
  pid_t keeper_ = 0;
  uint64_t unique_ = 0;
  bool introduced_ = false;
  bool cannot_begin_ = false;
};

TEST_F(KeeperTest, DoesNotWaitForAServerThatCannotEnd) {
  Start();
  const pid_t first = NextServer();
  EXPECT_EQ(Ask(667), -EIO);  // several of them
  EXPECT_EQ(Ask(), -EPERM);
  EXPECT_NE(NextServer(), first);
  EXPECT_EQ(::kill(first, 0), 0) << "it is still there";
}

TEST_F(KeeperTest, StartsAnotherServerWhenOneDies) {
  Start();
  for (const int number : {SIGKILL, SIGSEGV, SIGBUS, SIGABRT}) {
    const pid_t server = NextServer();
    EXPECT_EQ(Ask(), -EPERM);
    ASSERT_EQ(::kill(server, number), 0);
    EXPECT_NE(NextEvent().find("starting another"), std::string::npos);
  }
  NextServer();
  EXPECT_EQ(Ask(), -EPERM);
}

TEST_F(KeeperTest, EndsWithTheMount) {
  Start();
  NextServer();
  kernel_.Reset();
  device_.Reset();
  EXPECT_EQ(KeepersStatus(), 0);
}

TEST_F(KeeperTest, EndsByASignal) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    Start();
    const pid_t server = NextServer();
    ASSERT_EQ(::kill(keeper_, number), 0);
    EXPECT_EQ(KeepersStatus(), 0);
    EXPECT_NE(::kill(server, 0), 0) << "no server is left";
  }
}

TEST_F(KeeperTest, ARequestThatKillsServersIsRefusedAlone) {
  Start();
  EXPECT_EQ(Ask(666), -EIO);
  EXPECT_EQ(Ask(), -EPERM);
}

TEST_F(KeeperTest, AServerThatCannotBeginIsNotTriedAgain) {
  cannot_begin_ = true;
  Start();
  EXPECT_EQ(WEXITSTATUS(KeepersStatus()), 1);
}

TEST_F(KeeperTest, TooManyDeathsAndTheMountAnswersEio) {
  config_.max_deaths = 3;
  Start();
  for (int i = 0; i < 3; ++i) ::kill(NextServer(), SIGKILL);
  std::string event = NextEvent();
  while (event.find("answers EIO") == std::string::npos) event = NextEvent();
  EXPECT_EQ(Ask(), -EIO);
  EXPECT_EQ(Ask(), -EIO);
  ASSERT_EQ(::kill(keeper_, SIGTERM), 0);
  EXPECT_EQ(KeepersStatus(), 0);
}

TEST_F(KeeperTest, DeathsThatAreFarApartAreForgiven) {
  config_.max_deaths = 2;
  config_.within = std::chrono::milliseconds(0);
  Start();
  for (int i = 0; i < 5; ++i) ::kill(NextServer(), SIGKILL);
  NextServer();
  EXPECT_EQ(Ask(), -EPERM);
}

TEST_F(KeeperTest, TheInstalledProgramBecomesTheServer) {
  config_.exec_installed = [this] {
    Event('u', "upgraded");
    ::_exit(Serve());
  };
  Start();
  NextServer();
  ASSERT_EQ(::kill(keeper_, SIGUSR2), 0);
  EXPECT_EQ(NextEvent(), "uupgraded");
  ::kill(NextServer(), SIGKILL);
  std::string event = NextEvent();
  while (event != "uupgraded") event = NextEvent();
  EXPECT_EQ(Ask(), -EPERM);
}

TEST_F(KeeperTest, AnUpgradeThatCannotBeRunChangesNothing) {
  config_.exec_installed = [] {};
  Start();
  NextServer();
  ASSERT_EQ(::kill(keeper_, SIGUSR2), 0);
  NextServer();
  EXPECT_EQ(Ask(), -EPERM);
}

TEST_F(KeeperTest, TheServerEndsWithItsKeeper) {
  Start();
  const pid_t server = NextServer();
  ASSERT_EQ(::kill(keeper_, SIGKILL), 0);
  (void)KeepersStatus();
  // Its end of the pipe is the last one that is open.
  ::close(events_[1]);
  events_[1] = -1;
  EXPECT_EQ(NextEvent(), "");
  (void)server;
}

}  // namespace
}  // namespace imgmount
