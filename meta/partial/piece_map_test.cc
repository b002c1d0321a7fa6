// SPDX-License-Identifier: Apache-2.0
#include "meta/partial/piece_map.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

constexpr PieceMapSubject kSubject{10 * kPieceBytes - 1, 77};

class PieceMapTest : public ::testing::Test {
 protected:
  PieceMap Open() const {
    auto fd = OpenFile(path_, O_RDWR | O_CREAT, 0644);
    EXPECT_TRUE(fd);
    return {*std::move(fd), path_};
  }
  void Poke(size_t at, char byte) const {
    std::fstream(path_, std::ios::in | std::ios::out | std::ios::binary)
        .seekp(static_cast<std::streamoff>(at))
        .put(byte);
  }

  const testing::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "map";
};

TEST_F(PieceMapTest, SaysWhatItIsAboutAndWhatIsHere) {
  const PieceMap map = Open();
  EXPECT_TRUE(*map.IsEmpty());
  EXPECT_FALSE(*map.Subject());
  ASSERT_TRUE(map.Begin(kSubject, 3));
  EXPECT_FALSE(*map.IsEmpty());
  EXPECT_EQ(*map.Subject(), kSubject);
  EXPECT_EQ(*map.FirstMissing({0, 10}), (PieceRun{3, 10}));
  EXPECT_EQ(*map.CountHere({0, 10}), 3u);

  ASSERT_TRUE(map.Mark({5, 7}, true));
  EXPECT_EQ(*map.FirstMissing({0, 10}), (PieceRun{3, 5}));
  EXPECT_EQ(*map.FirstMissing({5, 10}), (PieceRun{7, 10}));
  EXPECT_EQ(*map.FirstMissing({4, 5}), (PieceRun{4, 5}));
  EXPECT_TRUE(map.FirstMissing({5, 7})->empty());
  EXPECT_TRUE(map.FirstMissing({4, 4})->empty());
  EXPECT_EQ(*Open().CountHere({0, 10}), 5u);

  ASSERT_TRUE(map.Mark({1, 6}, false));
  EXPECT_EQ(*map.FirstMissing({0, 10}), (PieceRun{1, 6}));
  ASSERT_TRUE(map.Begin(kSubject, 99));
  EXPECT_EQ(*map.CountHere({0, 10}), 10u);
}

TEST_F(PieceMapTest, RunsMayBeLongerThanWhatIsLookedAtAtATime) {
  const PieceMap map = Open();
  constexpr uint64_t kMany = 200'000;
  ASSERT_TRUE(map.Begin({kMany * kPieceBytes, 1}, kMany));
  ASSERT_TRUE(map.Mark({60'000, 150'000}, false));
  EXPECT_EQ(*map.FirstMissing({0, kMany}), (PieceRun{60'000, 150'000}));
  EXPECT_EQ(*map.FirstMissing({70'000, 140'000}), (PieceRun{70'000, 140'000}));
  EXPECT_EQ(*map.FirstMissing({0, kMany}, 300), (PieceRun{60'000, 60'300}));
  EXPECT_EQ(*map.CountHere({0, kMany}), kMany - 90'000);
}

TEST_F(PieceMapTest, ADamagedHeaderIsNone) {
  for (size_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(Open().Begin(kSubject, 3));
    std::ifstream file(path_, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(i));
    const char byte = static_cast<char>(file.get());
    Poke(i, static_cast<char>(byte ^ 1));
    EXPECT_FALSE(*Open().Subject()) << i;
  }
}

TEST_F(PieceMapTest, WhatIsNoMarkIsNoPiece) {
  ASSERT_TRUE(Open().Begin(kSubject, 10));
  Poke(64 + 4, 2);
  EXPECT_EQ(*Open().FirstMissing({0, 10}), (PieceRun{4, 5}));
  ASSERT_EQ(::truncate(path_.c_str(), 64 + 8), 0);
  EXPECT_EQ(*Open().FirstMissing({5, 10}), (PieceRun{8, 10}));
}

TEST_F(PieceMapTest, WholeIsNotAPiece) {
  const PieceMap map = Open();
  ASSERT_TRUE(map.Begin(kSubject, 3));
  EXPECT_FALSE(*map.IsWhole());
  ASSERT_TRUE(map.SetWhole(true));
  EXPECT_TRUE(*Open().IsWhole());
  EXPECT_EQ(*map.Subject(), kSubject);
  EXPECT_EQ(*map.CountHere({0, 10}), 3u);
  ASSERT_TRUE(map.Begin(kSubject, 3));
  EXPECT_FALSE(*map.IsWhole());
}

TEST_F(PieceMapTest, LocksOfOneObjectKeepOthersOut) {
  const PieceMap a = Open();
  const PieceMap b = Open();
  EXPECT_FALSE(*a.TryLock({3, 5}));
  EXPECT_FALSE(*a.TryLock({5, 6}));
  EXPECT_EQ(**b.TryLock({0, 10}), (PieceRun{3, 6}));
  EXPECT_EQ(**b.TryLock({4, 5}), (PieceRun{4, 5}));
  EXPECT_FALSE(*b.TryLock({0, 3}));
  EXPECT_FALSE(*b.TryLock({6, 6})) << "none: not all that follow";
  EXPECT_FALSE(*a.TryLock({6, 10}));
  ASSERT_TRUE(a.Unlock({4, 5}));
  EXPECT_FALSE(*b.TryLock({4, 5}));
  EXPECT_EQ(**b.TryLock({5, 6}), (PieceRun{5, 6}));
}

TEST_F(PieceMapTest, LocksEndWithTheObject) {
  const PieceMap a = Open();
  {
    const PieceMap b = Open();
    ASSERT_FALSE(*b.TryLock({0, 10}));
    ASSERT_TRUE(*a.TryLock({0, 10}));
  }
  EXPECT_FALSE(*a.TryLock({0, 10}));
}

TEST_F(PieceMapTest, WhoeverIsAloneIsNotOneOfSeveral) {
  const PieceMap a = Open();
  ASSERT_TRUE(a.LockAsUser());
  EXPECT_TRUE(*a.TryLockAlone());
  ASSERT_TRUE(a.LockAsUser());
  const PieceMap b = Open();
  ASSERT_TRUE(b.LockAsUser());
  EXPECT_FALSE(*a.TryLockAlone());
  EXPECT_FALSE(*b.TryLockAlone());
}

}  // namespace
}  // namespace imgmount
