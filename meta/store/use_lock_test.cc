// SPDX-License-Identifier: Apache-2.0
#include "meta/store/use_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "tests/support/image_writer.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TarBuilder;

class UseLockTest : public ::testing::Test {
 protected:
  Image MakeImage(const std::string& content) const {
    const std::string tar = TarBuilder().File("f", content).Build();
    auto image = cache_.Load(testing::WriteImage(cache_, {tar}),
                             Platform{"linux", "amd64", "", ""});
    EXPECT_TRUE(image) << image.error().message();
    return *image;
  }
  std::vector<Use> Uses() const {
    const auto removal = RemovalLock::Acquire(cache_);
    EXPECT_TRUE(removal);
    auto uses = removal->Uses();
    EXPECT_TRUE(uses) << uses.error().message();
    return *uses;
  }
  bool IsHeld() const { return Uses().at(0).held; }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
};

TEST_F(UseLockTest, ListsWhatTheImageNeeds) {
  const Image image = MakeImage("1");
  EXPECT_THAT(Uses(), IsEmpty());
  const auto before = std::time(nullptr);
  const auto lock = UseLock::Hold(cache_, image);
  ASSERT_TRUE(lock) << lock.error().message();
  const auto uses = Uses();
  ASSERT_EQ(uses.size(), 1u);
  EXPECT_EQ(uses[0].manifest, image.manifest_digest);
  EXPECT_THAT(uses[0].blobs,
              ElementsAre(image.manifest_digest, image.manifest.config.digest,
                          image.manifest.layers[0].digest));
  EXPECT_TRUE(uses[0].held);
  EXPECT_GE(uses[0].last_used, before - 1);
}

TEST_F(UseLockTest, IsHeldUntilTheLastUserIsGone) {
  const Image image = MakeImage("1");
  std::optional<UseLock> first = *UseLock::Hold(cache_, image);
  std::optional<UseLock> second = *UseLock::Hold(cache_, image);
  first.reset();
  EXPECT_TRUE(IsHeld());
  second.reset();
  EXPECT_FALSE(IsHeld());
  EXPECT_EQ(Uses().at(0).blobs.size(), 3u) << "still tells what was used";
}

TEST_F(UseLockTest, PassesToAForkedChild) {
  const Image image = MakeImage("1");
  std::optional<UseLock> lock = *UseLock::Hold(cache_, image);
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::close(pipe[1]);
    char byte;
    ::_exit(::read(pipe[0], &byte, 1) == 0 ? 0 : 1);  // until we close it
  }
  lock.reset();
  EXPECT_TRUE(IsHeld());
  ::close(pipe[1]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(pipe[0]);
  EXPECT_FALSE(IsHeld());
}

TEST_F(UseLockTest, IsNotGivenDuringARemoval) {
  const auto path = folder_.path() / "imgmount/locks/removal";
  const auto can_be_given = [&] {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    const bool given = ::flock(fd, LOCK_SH | LOCK_NB) == 0;
    ::close(fd);
    return given;
  };
  std::optional<RemovalLock> removal = *RemovalLock::Acquire(cache_);
  EXPECT_FALSE(can_be_given());
  removal.reset();
  EXPECT_TRUE(can_be_given());
}

TEST_F(UseLockTest, IsOneForEachImage) {
  const Image one = MakeImage("1");
  const Image two = MakeImage("2");
  ASSERT_TRUE(UseLock::Hold(cache_, one));  // and released
  const auto lock = UseLock::Hold(cache_, two);
  const auto uses = Uses();
  ASSERT_EQ(uses.size(), 2u);
  for (const Use& use : uses) {
    EXPECT_EQ(use.held, use.manifest == two.manifest_digest);
  }
}

TEST_F(UseLockTest, IsForgottenWithItsImage) {
  ASSERT_TRUE(UseLock::Hold(cache_, MakeImage("1")));
  {
    const auto removal = RemovalLock::Acquire(cache_);
    ASSERT_TRUE(removal->Forget(removal->Uses()->at(0)));
  }
  EXPECT_THAT(Uses(), IsEmpty());
}

}  // namespace
}  // namespace imgmount
