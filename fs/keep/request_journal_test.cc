// SPDX-License-Identifier: Apache-2.0
#include "fs/keep/request_journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

namespace imgmount {
namespace {

// A socket pair stands in for /dev/fuse, as in FakeFuse.
class RequestJournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends),
              0);
    kernel_ = UniqueFd(ends[0]);
    device_ = UniqueFd(ends[1]);
    auto memory = RequestJournal::CreateMemory();
    ASSERT_TRUE(memory);
    memory_ = *std::move(memory);
    Reopen();
  }

  // As the next server does.
  void Reopen() {
    journal_.reset();
    auto journal = RequestJournal::Open(memory_.get());
    ASSERT_TRUE(journal);
    journal_ = *std::move(journal);
  }

  void Send(uint32_t opcode, uint64_t unique, const std::string& body = "") {
    fuse_in_header header = {};
    header.len = static_cast<uint32_t>(sizeof header + body.size());
    header.opcode = opcode;
    header.unique = unique;
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    bytes += body;
    ASSERT_EQ(::send(kernel_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }

  // The unique number of what the journal gives next; 0: nothing.
  uint64_t Receive(std::string* body = nullptr) {
    std::vector<std::byte> out(64 << 10);
    const ssize_t got = journal_->Read(device_.get(), out);
    if (got < 0) {
      EXPECT_EQ(errno, EAGAIN);
      return 0;
    }
    fuse_in_header header;
    std::memcpy(&header, out.data(), sizeof header);
    EXPECT_EQ(static_cast<ssize_t>(header.len), got);
    if (body != nullptr) {
      *body = std::string(reinterpret_cast<const char*>(out.data()),
                          static_cast<size_t>(got))
                  .substr(sizeof header);
    }
    return header.unique;
  }

  ssize_t Answer(uint64_t unique, int error = 0) {
    fuse_out_header header = {sizeof header, error, unique};
    const iovec part = {&header, sizeof header};
    return journal_->Write(device_.get(), {&part, 1});
  }

  // The last answer to the kernel; nullopt: there was none.
  std::optional<fuse_out_header> Answered() {
    fuse_out_header header;
    const ssize_t got =
        ::recv(kernel_.get(), &header, sizeof header, MSG_DONTWAIT);
    if (got < 0) return std::nullopt;
    return header;
  }

  void Introduce() {
    Send(FUSE_INIT, 1, std::string(sizeof(fuse_init_in), 'i'));
    ASSERT_EQ(Receive(), 1u);
    Answer(1);
    ASSERT_TRUE(Answered());
  }

  UniqueFd kernel_;
  UniqueFd device_;
  UniqueFd memory_;
  std::unique_ptr<RequestJournal> journal_;
};

TEST_F(RequestJournalTest, GivesWhatTheKernelSends) {
  EXPECT_EQ(Receive(), 0u);
  Send(FUSE_LOOKUP, 2, "name");
  std::string body;
  EXPECT_EQ(Receive(&body), 2u);
  EXPECT_EQ(body, "name");
  EXPECT_EQ(journal_->pending(), 1u);
  EXPECT_GT(Answer(2, -ENOENT), 0);
  EXPECT_EQ(Answered()->error, -ENOENT);
  EXPECT_EQ(journal_->pending(), 0u);
}

TEST_F(RequestJournalTest, TheNextServerGetsWhatWasLeft) {
  Introduce();
  Send(FUSE_LOOKUP, 2, "two");
  Send(FUSE_READ, 3, "three");
  EXPECT_EQ(Receive(), 2u);
  EXPECT_EQ(Receive(), 3u);
  Answer(2);
  EXPECT_TRUE(Answered());
  Reopen();
  Send(FUSE_READ, 4);

  ASSERT_TRUE(journal_->has_init());
  std::string body;
  EXPECT_EQ(Receive(&body), 1u);
  EXPECT_EQ(body, std::string(sizeof(fuse_init_in), 'i'));
  EXPECT_GT(Answer(1), 0);
  EXPECT_FALSE(Answered()) << "the kernel was told once";
  EXPECT_EQ(Receive(&body), 3u);
  EXPECT_EQ(body, "three");
  EXPECT_EQ(Receive(), 4u);
  Answer(3);
  EXPECT_EQ(Answered()->unique, 3u);
}

TEST_F(RequestJournalTest, AnInitThatNobodyAnsweredIsAnswered) {
  Send(FUSE_INIT, 1, std::string(sizeof(fuse_init_in), 'i'));
  EXPECT_EQ(Receive(), 1u);
  Reopen();
  EXPECT_FALSE(journal_->has_init());
  EXPECT_EQ(Receive(), 1u);
  Answer(1);
  EXPECT_TRUE(Answered());
  EXPECT_TRUE(journal_->has_init());
}

TEST_F(RequestJournalTest, WhatWantsNoAnswerIsNotKept) {
  Introduce();
  Send(FUSE_FORGET, 2);
  Send(FUSE_INTERRUPT, 3);
  Send(FUSE_BATCH_FORGET, 4, std::string(20'000, 'f'));
  EXPECT_EQ(Receive(), 2u);
  EXPECT_EQ(Receive(), 3u);
  std::string body;
  EXPECT_EQ(Receive(&body), 4u);
  EXPECT_EQ(body, std::string(20'000, 'f'));
  EXPECT_EQ(journal_->pending(), 0u);
}

TEST_F(RequestJournalTest, ARequestThatKillsServersIsRefused) {
  Introduce();
  Send(FUSE_READ, 2);
  EXPECT_EQ(Receive(), 2u);
  for (uint32_t i = 0; i < RequestJournal::kMaxAttempts; ++i) {
    Reopen();
    EXPECT_EQ(Receive(), 1u);
    EXPECT_EQ(Receive(), 2u);
  }
  Reopen();
  EXPECT_EQ(Receive(), 1u);
  EXPECT_EQ(Receive(), 0u);
  EXPECT_EQ(Answered()->error, -EIO);
  EXPECT_EQ(journal_->pending(), 0u);
}

TEST_F(RequestJournalTest, AnAnswerThatNobodyWaitsForIsNoMore) {
  Introduce();
  Send(FUSE_READ, 2);
  EXPECT_EQ(Receive(), 2u);
  // As the kernel refuses it, whose side is closed here.
  kernel_.Reset();
  EXPECT_LT(Answer(2), 0);
  EXPECT_EQ(journal_->pending(), 1u);
}

TEST_F(RequestJournalTest, NotificationsPass) {
  Introduce();
  EXPECT_GT(Answer(0, 7), 0);
  EXPECT_EQ(Answered()->error, 7);
}

TEST_F(RequestJournalTest, WhoReadsTooMuchWaitsForAnAnswer) {
  Introduce();
  for (uint64_t i = 0; i <= RequestJournal::kSlots; ++i) {
    Send(FUSE_READ, 10 + i);
    if (i < RequestJournal::kSlots) {
      EXPECT_EQ(Receive(), 10 + i);
    }
  }
  std::thread last(
      [this] { EXPECT_EQ(Receive(), 10 + RequestJournal::kSlots); });
  Answer(10);
  last.join();
}

TEST_F(RequestJournalTest, AKillAtAnyMomentLosesNoRequest) {
  Introduce();
  constexpr uint64_t kRequests = 200;
  std::vector<int> answers(kRequests, 0);
  uint64_t sent = 0;
  uint64_t answered = 0;
  // Each server answers some and dies between a read and its answer.
  for (uint64_t round = 0; answered < kRequests; ++round) {
    ASSERT_LT(round, 4 * kRequests);
    if (sent < kRequests) Send(FUSE_READ, 10 + sent++);
    const pid_t server = ::fork();
    if (server == 0) {
      auto journal = RequestJournal::Open(memory_.get());
      std::vector<std::byte> out(64 << 10);
      for (uint64_t i = 0; i < 2 + round % 3; ++i) {
        const ssize_t got = (*journal)->Read(device_.get(), out);
        if (got < 0) break;
        if (i == round % 3) ::raise(SIGKILL);
        fuse_in_header header;
        std::memcpy(&header, out.data(), sizeof header);
        fuse_out_header answer = {sizeof answer, 0, header.unique};
        const iovec part = {&answer, sizeof answer};
        (void)(*journal)->Write(device_.get(), {&part, 1});
      }
      ::raise(SIGKILL);
    }
    ASSERT_EQ(::waitpid(server, nullptr, 0), server);
    while (const auto answer = Answered()) {
      ASSERT_GE(answer->unique, 10u);
      EXPECT_EQ(answers[answer->unique - 10]++, 0);
      ++answered;
    }
  }
}

TEST(RequestJournalMemory, AnotherVersionIsRefused) {
  auto memory = RequestJournal::CreateMemory();
  ASSERT_TRUE(memory);
  const uint64_t other = 1;
  ASSERT_EQ(::pwrite(memory->get(), &other, sizeof other, 0), 8);
  const auto journal = RequestJournal::Open(memory->get());
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace imgmount
