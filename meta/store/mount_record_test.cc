// SPDX-License-Identifier: Apache-2.0
#include "meta/store/mount_record.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <thread>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using PointList = std::vector<std::string>;

class MountRecordTest : public ::testing::Test {
 protected:
  std::vector<std::string> Points() const {
    const auto mounted = MountedImages(cache_);
    EXPECT_TRUE(mounted) << mounted.error().message();
    std::vector<std::string> points;
    for (const MountedImage& image : *mounted) points.push_back(image.point);
    return points;
  }
  size_t FileCount() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& file :
         std::filesystem::directory_iterator(folder_.path() / "imgmount" /
                                             "mounts")) {
      ++count;
    }
    return count;
  }

  const testing::TemporaryFolder folder_;
  const Cache cache_ = *Cache::Open(folder_.path());
  const Digest image_ = DigestOf("manifest");
};

TEST_F(MountRecordTest, TellsWhatIsMountedWhereUntilItEnds) {
  EXPECT_EQ(Points(), PointList{});
  {
    const auto b = MountRecord::Hold(cache_, image_, "/mnt/b");
    const auto a =
        MountRecord::Hold(cache_, image_, "/mnt/a\nwith a line end", "layer 1");
    ASSERT_TRUE(a && b);
    EXPECT_EQ(Points(), (PointList{"/mnt/a\nwith a line end", "/mnt/b"}));
    const MountedImage first = MountedImages(cache_)->front();
    EXPECT_EQ(first.manifest, image_);
    EXPECT_EQ(first.keeper, ::getpid());
    EXPECT_EQ(first.shows, "layer 1");
    EXPECT_LT(std::abs(std::time(nullptr) - first.since), 3600);
    EXPECT_EQ(MountedImages(cache_)->back().shows, "");
  }
  EXPECT_EQ(Points(), PointList{});
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(MountRecordTest, OfWhatWasUnmountedIsWaitedFor) {
  const auto mounted = MountRecord::Hold(cache_, image_, "/proc");
  auto unmounted = MountRecord::Hold(cache_, image_, folder_.path());
  ASSERT_TRUE(mounted && unmounted);
  EXPECT_FALSE(*AwaitUnmounted(cache_, std::chrono::milliseconds(5)));
  std::thread ending([record = *std::move(unmounted)] {});
  EXPECT_TRUE(*AwaitUnmounted(cache_, std::chrono::minutes(1)));
  ending.join();
}

TEST_F(MountRecordTest, OfAKilledProcessCountsForNothing) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto record = MountRecord::Hold(cache_, image_, "/mnt/x");
    if (::write(ready[1], record ? "y" : "n", 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_EQ(Points(), PointList{"/mnt/x"});
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(Points(), PointList{});
  EXPECT_EQ(FileCount(), 0u);
}

}  // namespace
}  // namespace imgmount
