// SPDX-License-Identifier: Apache-2.0
#include "fs/read/access_profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>

namespace imgmount {
namespace {

using testing::ElementsAre;

ProfilePart Part(uint64_t number, uint32_t length = 1000) {
  return {.offset = number << 21, .ino = 1, .length = length};
}

AccessProfile Parts(uint64_t first, uint64_t count, uint32_t length = 1000) {
  AccessProfile profile;
  for (uint64_t i = 0; i < count; ++i) {
    profile.push_back(Part(first + i, length));
  }
  return profile;
}

class AccessProfilesTest : public ::testing::Test {
 protected:
  void Make(std::vector<AccessProfile> known,
            std::chrono::milliseconds pause = std::chrono::hours(1)) {
    profiles_.emplace(
        AccessProfilesOptions{
            .known = std::move(known),
            .save =
                [this](const std::vector<AccessProfile>& profiles) {
                  const std::lock_guard lock(mutex_);
                  saved_ = profiles;
                  changed_.notify_all();
                },
            .settle =
                [this](const std::vector<AccessProfile>& profiles) {
                  const std::lock_guard lock(mutex_);
                  settled_.push_back(profiles);
                  changed_.notify_all();
                },
            .pause = pause},
        [this](const ProfilePart& part) {
          const std::lock_guard lock(mutex_);
          needed_.insert(part.offset >> 21);
        },
        [this](const ProfilePart& part) {
          const std::lock_guard lock(mutex_);
          EXPECT_TRUE(decoded_.insert(part.offset >> 21).second);
          changed_.notify_all();
        });
  }
  bool Read(uint64_t number, uint32_t length = 1000) {
    return profiles_->OnRead(Ino(1), number << 21, length);
  }
  void Read(const AccessProfile& profile) {
    for (const ProfilePart& part : profile)
      Read(part.offset >> 21, part.length);
  }
  template <typename Condition>
  void WaitUntil(Condition condition) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), condition));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::vector<AccessProfile>> saved_;
  std::vector<std::vector<AccessProfile>> settled_;
  std::set<uint64_t> needed_;
  std::set<uint64_t> decoded_;
  std::optional<AccessProfiles> profiles_;  // uses all of the above
};

TEST_F(AccessProfilesTest, RemembersWhatWasReadInItsOrder) {
  Make({});
  Read(7, 100);
  Read(3, 4096);
  Read(7, 300);
  Read(7, 200);
  Read(9, 50);
  profiles_.reset();
  ASSERT_TRUE(saved_);
  EXPECT_THAT(*saved_, ElementsAre(ElementsAre(Part(7, 300), Part(3, 4096),
                                               Part(9, 50))));
  EXPECT_TRUE(decoded_.empty());
}

TEST_F(AccessProfilesTest, DecodesWhatTheSameStartReadLastTime) {
  Make({Parts(100, 5), Parts(1, 5), Parts(50, 5)});
  Read(1);
  WaitUntil([&] { return decoded_.size() == 4; });
  EXPECT_THAT(decoded_, ElementsAre(2, 3, 4, 5));
  EXPECT_TRUE(Read(2)) << "foreseen";
  EXPECT_TRUE(Read(2)) << "again";
  Read(Parts(3, 3));
  profiles_.reset();
  EXPECT_FALSE(saved_) << "nothing new";
  EXPECT_THAT(needed_, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(AccessProfilesTest, DoesNothingForAStartThatItDoesNotKnow) {
  Make({Parts(100, 5)});
  EXPECT_FALSE(Read(1));
  EXPECT_FALSE(Read(101)) << "in a known one, but not its beginning";
  profiles_.reset();
  EXPECT_TRUE(decoded_.empty());
  EXPECT_TRUE(needed_.empty());
}

TEST_F(AccessProfilesTest, IsAheadByWhatTheSpanCacheHolds) {
  Make({Parts(0, 60, 2 << 20)});
  Read(0, 2 << 20);
  WaitUntil([&] { return decoded_.contains(11); });
  {
    const std::lock_guard lock(mutex_);
    EXPECT_LE(decoded_.size(), 13u);
  }
  // The program comes nearer, not quite in that order.
  Read(10, 2 << 20);
  WaitUntil([&] { return decoded_.contains(21); });
  profiles_.reset();
  EXPECT_LE(decoded_.size(), 23u);
}

TEST_F(AccessProfilesTest, APauseEndsAStart) {
  Make({}, std::chrono::milliseconds(100));
  Read(Parts(0, 4));
  WaitUntil([&] { return saved_.has_value(); });
  EXPECT_EQ(saved_->front(), Parts(0, 4));
  Read(0);
  WaitUntil([&] { return decoded_.size() == 3; });
}

TEST_F(AccessProfilesTest, WhatIsKnownIsSettledInAPauseOnce) {
  Make({Parts(0, 4)}, std::chrono::milliseconds(100));
  Read(Parts(0, 4));
  WaitUntil([&] { return settled_.size() == 1; });
  EXPECT_EQ(settled_[0].size(), 1u);
  Read(Parts(100, 4));
  WaitUntil([&] { return settled_.size() == 2; });
  EXPECT_EQ(settled_[1].size(), 2u) << "there is another";
}

TEST_F(AccessProfilesTest, NothingIsSettledAtTheEnd) {
  Make({});
  Read(Parts(0, 4));
  profiles_.reset();
  EXPECT_TRUE(saved_);
  EXPECT_TRUE(settled_.empty()) << "somebody may wait for that";
}

TEST_F(AccessProfilesTest, WhatIsReadOutOfOrderSkipsNothing) {
  Make({Parts(1, 6)});
  Read(1);
  Read(6);
  WaitUntil([&] { return decoded_.size() >= 4; });
  profiles_.reset();
  EXPECT_THAT(decoded_, testing::IsSupersetOf({2, 3, 4, 5}));
}

TEST_F(AccessProfilesTest, APartThatComesAgainStopsNothing) {
  constexpr uint32_t kMiB = 1 << 20;
  AccessProfile profile(30, Part(1, kMiB));
  for (const ProfilePart& part : Parts(2, 60, kMiB)) profile.push_back(part);
  Make({profile});
  Read(1, kMiB);
  WaitUntil([&] { return decoded_.contains(20); });
  Read(2, kMiB);
  Read(10, kMiB);
  WaitUntil([&] { return decoded_.contains(30); });
}

TEST_F(AccessProfilesTest, WhatTheKernelHasCountsAsRead) {
  Make({Parts(1, 6)});
  std::set<uint64_t> told;
  profiles_->SetListener({.on_decoded =
                              [&](const ProfilePart& part) {
                                const std::lock_guard lock(mutex_);
                                told.insert(part.offset >> 21);
                                changed_.notify_all();
                              },
                          .on_walk = {}});
  Read(1);
  WaitUntil([&] { return told.size() == 5; });
  for (const ProfilePart& part : Parts(2, 5)) profiles_->OnStored(part);
  profiles_.reset();
  EXPECT_FALSE(saved_) << "nothing new";
  EXPECT_THAT(told, ElementsAre(2, 3, 4, 5, 6));
}

TEST_F(AccessProfilesTest, TellsOfAWalkAndOfItsEnd) {
  Make({}, std::chrono::milliseconds(100));
  std::vector<bool> told;
  profiles_->SetListener({.on_decoded = {}, .on_walk = [&](bool walk) {
                            const std::lock_guard lock(mutex_);
                            told.push_back(walk);
                            changed_.notify_all();
                          }});
  const auto was_told = [&] {
    const std::lock_guard lock(mutex_);
    return !told.empty();
  };
  for (uint64_t i = 0; !was_told(); ++i) Read(i);
  WaitUntil([&] { return told.size() == 2; });
  EXPECT_TRUE(told[0]);
  EXPECT_FALSE(told[1]);
}

TEST_F(AccessProfilesTest, AWalkIsNoStart) {
  Make({});
  Read(Parts(0, kMaxProfileParts));
  Read(kMaxProfileParts);
  Read(Parts(0, 5));
  profiles_.reset();
  EXPECT_FALSE(saved_);
}

TEST_F(AccessProfilesTest, NorIsAReadOrTwo) {
  Make({});
  Read(Parts(0, 2));
  profiles_.reset();
  EXPECT_FALSE(saved_);
}

TEST_F(AccessProfilesTest, PartsOfOneStretchAreOne) {
  Make({});
  constexpr uint32_t kK = 1 << 10;
  profiles_->OnRead(Ino(3), 100 * kK, 50 * kK);
  profiles_->OnRead(Ino(3), 192 * kK, 1000 * kK);
  profiles_->OnRead(Ino(4), 1200 * kK, 10);
  profiles_->OnRead(Ino(3), 1200 * kK, 10);
  profiles_.reset();
  ASSERT_TRUE(saved_);
  EXPECT_THAT(
      saved_->front(),
      ElementsAre(
          ProfilePart{.offset = 64 * kK, .ino = 3, .length = 1 << 20},
          ProfilePart{.offset = 1088 * kK, .ino = 3, .length = 112 * kK + 10},
          ProfilePart{.offset = 1152 * kK, .ino = 4, .length = 48 * kK + 10}))
      << "as far as a part may be long";
}

TEST_F(AccessProfilesTest, WhatBeganAlikeIsKeptBesideIt) {
  Make({Parts(100, 5), Parts(0, 5)});
  EXPECT_TRUE(Read(0));
  EXPECT_FALSE(Read(20));
  Read(Parts(21, 4));
  profiles_.reset();
  ASSERT_TRUE(saved_);
  ASSERT_EQ(saved_->size(), 3u);
  EXPECT_EQ(saved_->front().size(), 6u);
  EXPECT_EQ(saved_->at(1), Parts(100, 5));
  EXPECT_EQ(saved_->back(), Parts(0, 5));
}

TEST_F(AccessProfilesTest, TheLastStartReplacesOneThatItGoesBeyond) {
  Make({Parts(100, 5), Parts(0, 10)});
  Read(Parts(0, 30));
  profiles_.reset();
  ASSERT_TRUE(saved_);
  EXPECT_THAT(*saved_, ElementsAre(Parts(0, 30), Parts(100, 5)));
}

TEST_F(AccessProfilesTest, FollowsTheOneThatHasMoreOfWhatWasRead) {
  AccessProfile shell = Parts(0, 3);
  AccessProfile other = shell;
  for (const ProfilePart& part : Parts(50, 5)) shell.push_back(part);
  for (const ProfilePart& part : Parts(90, 5)) other.push_back(part);
  Make({shell, other});
  EXPECT_TRUE(Read(0));
  WaitUntil([&] { return decoded_.contains(54); });
  Read(Parts(1, 2));
  EXPECT_TRUE(Read(90)) << "after all it is this one";
  WaitUntil([&] { return decoded_.contains(94); });
  Read(Parts(91, 4));
  profiles_.reset();
  EXPECT_FALSE(saved_) << "it is known";
}

TEST_F(AccessProfilesTest, TheOldestGivesWay) {
  std::vector<AccessProfile> known;
  for (uint64_t i = 0; i < kMaxProfiles; ++i) {
    known.push_back(Parts(1000 * (i + 1), 5));
  }
  Make(known);
  Read(Parts(0, 5));
  profiles_.reset();
  ASSERT_TRUE(saved_);
  ASSERT_EQ(saved_->size(), kMaxProfiles);
  EXPECT_EQ(saved_->front(), Parts(0, 5));
  EXPECT_EQ(saved_->back(), known[kMaxProfiles - 2]);
}

}  // namespace
}  // namespace imgmount
