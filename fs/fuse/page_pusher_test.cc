// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/page_pusher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <latch>
#include <map>

#include "fs/view/composed_fs.h"
#include "fs/view/image_fs.h"
#include "tests/support/test_image.h"

namespace imgmount {
namespace {

using testing::TestImage;
using testing::TestLayer;

class PagePusherTest : public ::testing::Test {
 protected:
  // f00 … f49, one beside the other, with a large, an empty and a link in
  // between.
  static TestLayer Layer() {
    TestLayer layer;
    for (int i = 0; i < 50; ++i) {
      const std::string name = {'f', static_cast<char>('0' + i / 10),
                                static_cast<char>('0' + i % 10)};
      if (i == 10) {
        layer.Content(name, std::string(200'000, 'l'));
      } else if (i == 11) {
        layer.Content(name, "");
      } else if (i == 12) {
        layer.Symlink(name, "f13");
      } else {
        layer.Content(name, "content of " + name);
      }
    }
    return layer;
  }

  static std::string NameOf(int i) {
    return {'f', static_cast<char>('0' + i / 10),
            static_cast<char>('0' + i % 10)};
  }
  Ino File(int i) const { return image_.ino(NameOf(i)); }

  PagePusher::Store Storing() {
    return [this](Ino ino, uint64_t offset, const FileBytes& bytes) -> Status {
      EXPECT_EQ(offset, 0u);
      const std::lock_guard lock(mutex_);
      if (unknown_from_ != Ino() && ino >= unknown_from_) {
        return Fail(ErrorCode::kNotFound, "not known");
      }
      std::string content;
      for (const auto piece : bytes.pieces) {
        content.append(reinterpret_cast<const char*>(piece.data()),
                       piece.size());
      }
      EXPECT_TRUE(stored_.emplace(ino, content).second) << "stored twice";
      changed_.notify_all();
      return {};
    };
  }

  void WaitForStored(size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60),
                                  [&] { return stored_.size() >= count; }));
  }

  TestImage image_{{Layer()}};
  std::unique_ptr<TreeReader> reader_ =
      TreeReader::Make(image_.tree(), image_.opener());
  const ImageFs fs_{image_.tree(), *reader_, {}};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Ino, std::string> stored_;
  Ino unknown_from_;
};

TEST_F(PagePusherTest, FollowsReadsThatThreadsTellOfLate) {
  PagePusher pusher(fs_, Storing());
  for (const int i : {1, 0, 3, 2}) pusher.OnRead(File(i));
  WaitForStored(43);  // what follows 3
}

TEST_F(PagePusherTest, PushesWholeSmallFilesThatFollow) {
  {
    PagePusher pusher(fs_, Storing());
    for (int i = 0; i < 3; ++i) pusher.OnRead(File(i));
    WaitForStored(44);  // 3 … 49 without the large, the empty and the link
  }
  EXPECT_EQ(stored_.size(), 44u);
  EXPECT_EQ(stored_.at(File(3)), "content of f03");
  EXPECT_EQ(stored_.at(File(49)), "content of f49");
  for (const int skipped : {0, 1, 2, 10, 11, 12}) {
    EXPECT_FALSE(stored_.contains(File(skipped))) << skipped;
  }
}

TEST_F(PagePusherTest, DoesNothingForASingleReadOrRandomOnes) {
  {
    PagePusher pusher(fs_, Storing());
    for (const int i : {40, 5, 30, 2, 20, 1}) pusher.OnRead(File(i));
    EXPECT_TRUE(pusher.Stop()) << "no thread";
  }
  EXPECT_TRUE(stored_.empty());
}

TEST_F(PagePusherTest, GoesNoFurtherThanItsLimits) {
  {
    PagePusher pusher(fs_, Storing(),
                      {.max_file_bytes = 1000,
                       .max_ahead_bytes = 1 << 20,
                       .max_ahead_files = 5});
    for (int i = 0; i < 3; ++i) pusher.OnRead(File(i));
    WaitForStored(5);
    pusher.OnRead(File(4));
    WaitForStored(7);
  }
  EXPECT_EQ(stored_.size(), 7u);
}

TEST_F(PagePusherTest, EndsAtBytesToo) {
  {
    PagePusher pusher(
        fs_, Storing(),
        {.max_file_bytes = 1000, .max_ahead_bytes = 30, .max_ahead_files = 50});
    for (int i = 0; i < 3; ++i) pusher.OnRead(File(i));
    WaitForStored(3);
  }
  EXPECT_EQ(stored_.size(), 3u);
}

TEST_F(PagePusherTest, StopsWhereTheKernelKnowsNoInode) {
  unknown_from_ = File(6);
  {
    PagePusher pusher(fs_, Storing());
    for (int i = 0; i < 3; ++i) pusher.OnRead(File(i));
    WaitForStored(3);
  }
  EXPECT_EQ(stored_.size(), 3u);
}

// Like a walk: the directory's end, and then its files.
TEST_F(PagePusherTest, PushesTheFirstFilesOfTheNextDirectoryOfAWalk) {
  unknown_from_ = File(20);  // as if these were of a directory not yet listed
  {
    PagePusher pusher(fs_, Storing());
    pusher.OnListed(kRootIno);  // nobody reads files yet
    for (int i = 0; i < 3; ++i) pusher.OnRead(File(i));
    WaitForStored(14);
    {
      const std::lock_guard lock(mutex_);
      unknown_from_ = Ino();
    }
    pusher.OnListed(kRootIno);
    WaitForStored(44);
  }
  EXPECT_TRUE(stored_.contains(File(20)));
}

TEST_F(PagePusherTest, ListingAloneIsNoReasonToPush) {
  PagePusher pusher(fs_, Storing());
  for (int i = 0; i < 100; ++i) pusher.OnListed(kRootIno);
  EXPECT_TRUE(pusher.Stop()) << "no thread";
}

TEST_F(PagePusherTest, FollowsTwoWalksAtOnce) {
  ComposedFs both({});
  for (const char* name : {"a", "b"}) {
    both.AddPart(kRootIno, name, [&] {
      return std::shared_ptr<const FileSystem>(std::shared_ptr<void>(), &fs_);
    });
  }
  const uint64_t a = (*both.Lookup(kRootIno, "a")).st_ino;
  const uint64_t b = (*both.Lookup(kRootIno, "b")).st_ino;
  const auto in = [&](uint64_t part, int i) {
    return Ino(part + File(i).number() - kRootIno.number());
  };
  {
    PagePusher pusher(both, Storing());
    // The first of each only shows where it is.
    for (int i = 0; i < 3; ++i) {
      pusher.OnRead(in(a, i));
      pusher.OnRead(in(b, i));
    }
    WaitForStored(88);  // 3 … 49 without the large, the empty and the link
  }
  EXPECT_EQ(stored_.size(), 88u);
  EXPECT_EQ(stored_.at(in(a, 49)), "content of f49");
  EXPECT_EQ(stored_.at(in(b, 3)), "content of f03");
}

TEST_F(PagePusherTest, PushesWhatAProgramWillReadOnceTheKernelKnowsTheFile) {
  ASSERT_TRUE(fs_.Read(File(0), 0, 100));  // all are in one span
  ASSERT_TRUE(fs_.Read(File(49), 0, 100));
  unknown_from_ = File(20);
  PagePusher pusher(fs_, Storing());
  pusher.OnForeseen({File(30), 0, 1000});
  pusher.OnForeseen({File(40), 0, 1000});
  pusher.OnForeseen({File(3), 0, 1000});
  WaitForStored(1);
  EXPECT_EQ(stored_.at(File(3)), "content of f03");
  {
    const std::lock_guard lock(mutex_);
    unknown_from_ = Ino();
  }
  pusher.OnLookedUp(File(29));  // nothing is foreseen of it
  pusher.OnLookedUp(File(30));
  WaitForStored(2);
  EXPECT_EQ(stored_.at(File(30)), "content of f30");
  pusher.OnLookedUp(File(30));  // not again
  pusher.OnLookedUp(File(40));
  WaitForStored(3);
  EXPECT_TRUE(stored_.contains(File(40)));
}

TEST_F(PagePusherTest, DecodesNothingForAProgramThatMayNotCome) {
  {
    PagePusher pusher(fs_, Storing());
    pusher.OnForeseen({File(3), 0, 1000});
    for (int i = 0; i < 3; ++i) pusher.OnRead(File(i));
    WaitForStored(44);
  }
  EXPECT_EQ(stored_.size(), 44u) << "once, by the walk";
}

TEST_F(PagePusherTest, NobodyWaitsForAStore) {
  std::latch in_store(1);
  std::latch release(1);
  PagePusher pusher(fs_, [&](Ino, uint64_t, const FileBytes&) -> Status {
    in_store.count_down();
    release.wait();
    return Fail(ErrorCode::kCancelled, "unmounted");
  });
  EXPECT_TRUE(pusher.Stop()) << "no thread yet";
  PagePusher busy(fs_, [&](Ino, uint64_t, const FileBytes&) -> Status {
    in_store.count_down();
    release.wait();
    return Fail(ErrorCode::kCancelled, "unmounted");
  });
  for (int i = 0; i < 3; ++i) busy.OnRead(File(i));
  in_store.wait();
  busy.OnRead(File(4));
  EXPECT_FALSE(busy.Stop());
  release.count_down();
}

}  // namespace
}  // namespace imgmount
