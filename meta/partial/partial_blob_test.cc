// SPDX-License-Identifier: Apache-2.0
#include "meta/partial/partial_blob.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Mode = PartialBlob::Mode;

constexpr uint64_t kPieces = 20;

// A process that ends without the ways of a test's.
class Child {
 public:
  explicit Child(const std::function<bool()>& work) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(work() ? 0 : 1);
  }
  ~Child() {
    if (pid_ > 0) Kill();
  }
  void Kill() {
    ::kill(pid_, SIGKILL);
    Wait();
  }
  bool Wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t pid_;
};

class PartialBlobTest : public ::testing::Test {
 protected:
  std::shared_ptr<PartialBlob> Open(Mode mode = Mode::kMake) const {
    auto blob = PartialBlob::Open(path_, bytes_.size(), mode);
    EXPECT_TRUE(blob) << blob.error().message();
    return blob ? *blob : nullptr;
  }
  std::span<const std::byte> BytesOf(PieceRun run) const {
    const auto all = std::as_bytes(std::span(bytes_));
    return all.subspan(
        run.first_byte(),
        std::min(run.end * kPieceBytes, all.size()) - run.first_byte());
  }
  // Claims and stores all that is missing of it.
  void Store(PartialBlob& blob, PieceRun run) const {
    auto claim = *blob.ClaimMissing(run, run.count());
    ASSERT_TRUE(claim);
    ASSERT_EQ(claim->run(), run);
    ASSERT_TRUE(blob.Store(*claim, run.first, BytesOf(run)));
  }
  bool IsRight(const PartialBlob& blob, PieceRun run) const {
    const auto wanted = BytesOf(run);
    std::vector<std::byte> got(wanted.size());
    return *blob.Read(run.first_byte(), got) == wanted.size() &&
           std::equal(got.begin(), got.end(), wanted.begin());
  }
  // Every piece that is marked has its bytes.
  bool MarksAreTrue(const PartialBlob& blob) const {
    for (uint64_t i = 0; i < kPieces; ++i) {
      const PieceRun piece{i, i + 1};
      if (blob.FirstMissing(piece)->empty() && !IsRight(blob, piece)) {
        return false;
      }
    }
    return true;
  }
  void Leave(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  uint64_t RoomOnDisk() const {
    struct stat stat = {};
    EXPECT_EQ(::stat(path_.c_str(), &stat), 0);
    return static_cast<uint64_t>(stat.st_blocks) * 512;
  }

  const testing::TemporaryFolder folder_;
  const fs::path path_ = folder_.path() / "blob";
  const fs::path map_path_ = PartialBlob::MapPath(path_);
  const std::string bytes_ =
      testing::RandomBytes(kPieces * kPieceBytes - 1000, 1);
};

TEST_F(PartialBlobTest, WhatWasStoredIsHere) {
  const auto blob = Open();
  EXPECT_EQ(blob->all(), (PieceRun{0, kPieces}));
  EXPECT_EQ(*blob->FirstMissing(blob->all()), blob->all());
  EXPECT_LT(RoomOnDisk(), kPieceBytes) << "sparse";
  Store(*blob, {3, 5});
  Store(*blob, {kPieces - 1, kPieces});
  EXPECT_EQ(*blob->FirstMissing({0, kPieces}), (PieceRun{0, 3}));
  EXPECT_EQ(*blob->FirstMissing({4, 99}), (PieceRun{5, kPieces - 1}));
  EXPECT_EQ(*blob->CountHere({0, 99}), 3u);
  EXPECT_TRUE(IsRight(*blob, {3, 5}));
  EXPECT_TRUE(IsRight(*Open(), {kPieces - 1, kPieces}));
  EXPECT_EQ(fs::file_size(path_), bytes_.size());

  std::byte beyond[10];
  EXPECT_EQ(*blob->Read(bytes_.size() - 4, beyond), 4u);
  EXPECT_EQ(*blob->Read(bytes_.size() + 4, beyond), 0u);
}

TEST_F(PartialBlobTest, AnEmptyBlobHasNoPieces) {
  const auto blob = PartialBlob::Open(path_, 0, Mode::kMake);
  ASSERT_TRUE(blob);
  EXPECT_TRUE((*blob)->all().empty());
  EXPECT_FALSE(*(*blob)->ClaimMissing({0, 1}, 1));
  const auto all = *(*blob)->ClaimAll((*blob)->all());
  ASSERT_TRUE(all);
  EXPECT_TRUE((*blob)->Publish(*all, folder_.path() / "name"));
}

TEST_F(PartialBlobTest, ASizeIsOnlyAClaim) {
  const auto blob = PartialBlob::Open(path_, kMaxPartialBytes + 1, Mode::kMake);
  ASSERT_FALSE(blob);
  EXPECT_EQ(blob.error().code(), ErrorCode::kUnsupported);
  EXPECT_FALSE(fs::exists(path_));
}

// Claims.

TEST_F(PartialBlobTest, WhatIsClaimedNobodyElseGets) {
  const auto a = Open();
  const auto b = Open();  // as another process
  auto first = *a->ClaimMissing({2, 6}, 3);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->run(), (PieceRun{2, 5}));
  for (const auto& blob : {a, b}) {
    EXPECT_EQ((*blob->ClaimMissing({0, 4}, 9))->run(), (PieceRun{0, 2}));
    EXPECT_EQ((*blob->ClaimMissing({2, 8}, 9))->run(), (PieceRun{5, 8}));
    EXPECT_FALSE(*blob->ClaimMissing({2, 5}, 9));
    EXPECT_FALSE(*blob->ClaimAll({4, 7}));
    EXPECT_TRUE(*blob->ClaimAll({5, 7}));
  }
  first.reset();
  EXPECT_EQ((*b->ClaimMissing({0, 4}, 9))->run(), (PieceRun{0, 4}));
}

TEST_F(PartialBlobTest, OnlyWhatIsMissingIsClaimed) {
  const auto blob = Open();
  Store(*blob, {2, 4});
  EXPECT_EQ((*blob->ClaimMissing({0, 9}, 9))->run(), (PieceRun{0, 2}));
  EXPECT_EQ((*blob->ClaimMissing({2, 9}, 9))->run(), (PieceRun{4, 9}));
  EXPECT_FALSE(*blob->ClaimMissing({2, 4}, 9));
  EXPECT_EQ((*blob->ClaimAll({1, 9}))->run(), (PieceRun{1, 9}));
}

TEST_F(PartialBlobTest, ClaimsOfOneObjectAreApart) {
  const auto a = Open();
  const auto b = Open();
  auto left = *a->ClaimMissing({0, 2}, 9);
  auto middle = *a->ClaimMissing({2, 4}, 9);
  auto right = *a->ClaimMissing({4, 6}, 9);
  EXPECT_FALSE(*a->ClaimMissing({0, 6}, 9));
  middle.reset();
  EXPECT_EQ((*b->ClaimMissing({0, 6}, 9))->run(), (PieceRun{2, 4}));
  EXPECT_EQ((*a->ClaimMissing({0, 6}, 9))->run(), (PieceRun{2, 4}));
}

TEST_F(PartialBlobTest, AClaimGrows) {
  const auto a = Open();
  auto claim = *a->ClaimAll({0, 2});
  claim->Append(**a->ClaimAll({2, 5}));
  EXPECT_EQ(claim->run(), (PieceRun{0, 5}));
  EXPECT_EQ((*Open()->ClaimMissing({0, 9}, 9))->run(), (PieceRun{5, 9}));
  EXPECT_TRUE(a->HasClaimed(4));
  EXPECT_FALSE(a->HasClaimed(5));
  claim->DropBefore(3);
  EXPECT_EQ(claim->run(), (PieceRun{3, 5}));
  EXPECT_EQ((*Open()->ClaimMissing({0, 9}, 9))->run(), (PieceRun{0, 3}));
  EXPECT_EQ((*a->ClaimMissing({0, 9}, 9))->run(), (PieceRun{0, 3}));
  claim.reset();
  EXPECT_EQ((*Open()->ClaimMissing({0, 9}, 9))->run(), (PieceRun{0, 9}));
}

TEST_F(PartialBlobTest, ThreadsShareTheWorkWithoutDoingAnyTwice) {
  const auto blob = Open();
  std::atomic<uint64_t> stored = 0;
  const auto work = [&] {
    while (auto claim = *blob->ClaimMissing(blob->all(), 2)) {
      EXPECT_TRUE(
          blob->Store(*claim, claim->run().first, BytesOf(claim->run())));
      stored += claim->run().count();
    }
  };
  {
    const std::jthread a(work);
    const std::jthread b(work);
    const std::jthread c(work);
  }
  EXPECT_EQ(stored, kPieces);
  EXPECT_TRUE(IsRight(*blob, blob->all()));
}

// Processes.

TEST_F(PartialBlobTest, ProcessesShareTheWorkWithoutDoingAnyTwice) {
  auto* stored = static_cast<std::atomic<uint64_t>*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
             -1, 0));
  ASSERT_NE(stored, MAP_FAILED);
  new (stored) std::atomic<uint64_t>(0);
  const auto work = [&] {
    const auto blob = Open();
    // Until all is here, whoever brings it.
    while (!blob->FirstMissing(blob->all())->empty()) {
      const auto claim = *blob->ClaimMissing(blob->all(), 2);
      if (!claim) continue;
      if (!blob->Store(*claim, claim->run().first, BytesOf(claim->run()))) {
        return false;
      }
      *stored += claim->run().count();
    }
    return true;
  };
  Child a(work);
  Child b(work);
  EXPECT_TRUE(a.Wait());
  EXPECT_TRUE(b.Wait());
  EXPECT_EQ(*stored, kPieces);
  EXPECT_TRUE(IsRight(*Open(), {0, kPieces}));
  ::munmap(stored, 4096);
}

TEST_F(PartialBlobTest, ClaimsEndWithTheProcess) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const auto mine = Open();
  Child other([&] {
    const auto blob = Open();
    const auto claim = *blob->ClaimMissing({0, 9}, 9);
    if (::write(ready[1], "x", 1) != 1) return false;
    while (true) ::pause();
    return claim.has_value();
  });
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_FALSE(*mine->ClaimMissing({0, 9}, 9));
  other.Kill();
  EXPECT_EQ((*mine->ClaimMissing({0, 9}, 9))->run(), (PieceRun{0, 9}));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(PartialBlobTest, KilledAtAnyMomentItHasWhatItSaysItHas) {
  std::minstd_rand random(7);
  for (int round = 0; round < 40; ++round) {
    if (round % 8 == 0) {
      fs::remove(path_);
      fs::remove(map_path_);
      if (round % 16 == 0) Leave(bytes_.substr(0, 5 * kPieceBytes + 7));
    }
    std::vector<std::unique_ptr<Child>> others;
    for (unsigned seed = 0; seed < 2; ++seed) {
      others.push_back(std::make_unique<Child>([&] {
        std::minstd_rand mine(random() + seed);
        while (true) {
          const auto blob = Open();
          const uint64_t at = mine() % kPieces;
          if (mine() % 4 == 0) (void)blob->Evict({at, at + 2});
          const auto claim = *blob->ClaimMissing({at, kPieces}, 3);
          if (!claim) continue;
          (void)blob->Store(*claim, claim->run().first, BytesOf(claim->run()));
        }
        return true;
      }));
    }
    // Not to synchronise: the kill is to come at an odd moment.
    ::usleep(random() % 4000);
    others.clear();
    const auto blob = Open();
    ASSERT_TRUE(MarksAreTrue(*blob));
    ASSERT_TRUE(*blob->ClaimAll(blob->all())) << "nobody else is left";
  }
}

// Files that are found.

TEST_F(PartialBlobTest, ADownloadOfAnEarlierVersionGoesOn) {
  Leave(bytes_.substr(0, 5 * kPieceBytes + 7));
  EXPECT_EQ(
      PartialBlob::Open(path_, bytes_.size(), Mode::kExisting).error().code(),
      ErrorCode::kNotFound)
      << "its process may be at it";
  const auto blob = Open();
  EXPECT_EQ(*blob->FirstMissing(blob->all()), (PieceRun{5, kPieces}));
  EXPECT_TRUE(IsRight(*blob, {0, 5}));
  EXPECT_EQ(fs::file_size(path_), bytes_.size());
}

TEST_F(PartialBlobTest, AWholeOneOfAnEarlierVersionIsWhole) {
  Leave(bytes_);
  EXPECT_EQ(*Open()->CountHere({0, kPieces}), kPieces);
}

TEST_F(PartialBlobTest, ALongerOneIsNoGood) {
  Leave(bytes_ + "x");
  EXPECT_EQ(*Open()->CountHere({0, kPieces}), 0u);
  EXPECT_EQ(fs::file_size(path_), bytes_.size());
}

TEST_F(PartialBlobTest, ADamagedMapSaysNothing) {
  Store(*Open(), {0, 5});
  std::ofstream(map_path_, std::ios::in | std::ios::out | std::ios::binary)
      << "damage";
  EXPECT_EQ(*Open()->CountHere({0, kPieces}), 0u);
}

TEST_F(PartialBlobTest, AMapIsOfItsFileAlone) {
  Store(*Open(), {0, 5});
  fs::rename(path_, folder_.path() / "elsewhere");
  EXPECT_FALSE(PartialBlob::Open(path_, bytes_.size(), Mode::kExisting));
  EXPECT_EQ(*Open()->CountHere({0, kPieces}), 0u);
  Store(*Open(), {0, 5});
  fs::copy(path_, folder_.path() / "copy");
  fs::rename(folder_.path() / "copy", path_);
  EXPECT_EQ(*Open()->CountHere({0, kPieces}), 0u);
}

TEST_F(PartialBlobTest, WhatWasCutOffIsNotHere) {
  Store(*Open(), {0, 5});
  fs::resize_file(path_, 2 * kPieceBytes + 1);
  const auto blob = Open();
  EXPECT_EQ(*blob->CountHere({0, kPieces}), 2u);
  EXPECT_EQ(fs::file_size(path_), bytes_.size());
}

TEST_F(PartialBlobTest, AnotherSizeIsAnotherBlob) {
  {
    const auto blob = Open();
    Store(*blob, {0, 5});
    const auto other = PartialBlob::Open(path_, bytes_.size() + 1, Mode::kMake);
    ASSERT_FALSE(other) << "somebody else has it open";
    EXPECT_EQ(other.error().code(), ErrorCode::kCorrupt);
    EXPECT_TRUE(IsRight(*blob, {0, 5}));
  }
  const auto other = PartialBlob::Open(path_, bytes_.size() + 1, Mode::kMake);
  ASSERT_TRUE(other);
  EXPECT_EQ(*(*other)->CountHere((*other)->all()), 0u);
}

TEST_F(PartialBlobTest, OnlyFilesOfOursAreOpened) {
  const auto expect_refused = [&] {
    const auto blob = PartialBlob::Open(path_, bytes_.size(), Mode::kMake);
    ASSERT_FALSE(blob);
    EXPECT_THAT(blob.error().message(), HasSubstr(folder_.path().string()));
  };
  for (const fs::path& path : {path_, map_path_}) {
    SCOPED_TRACE(path);
    fs::create_symlink(folder_.path() / "elsewhere", path);
    expect_refused();
    EXPECT_FALSE(fs::exists(folder_.path() / "elsewhere"));
    fs::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0644), 0);
    expect_refused();
    fs::remove(path);
    fs::create_directory(path);
    expect_refused();
    fs::remove(path);
    std::ofstream(path) << "x";
    fs::permissions(path, fs::perms::others_write, fs::perm_options::add);
    expect_refused();
    fs::remove(path);
    fs::remove(map_path_);
  }
  EXPECT_TRUE(Open());
}

// Pieces that go again.

TEST_F(PartialBlobTest, EvictedPiecesTakeNoRoom) {
  const auto blob = Open();
  Store(*blob, blob->all());
  const uint64_t before = RoomOnDisk();
  EXPECT_TRUE(*blob->Evict({2, 10}));
  EXPECT_LE(RoomOnDisk(), before - 8 * kPieceBytes);
  EXPECT_EQ(*blob->FirstMissing(blob->all()), (PieceRun{2, 10}));
  EXPECT_TRUE(IsRight(*blob, {0, 2}));
  EXPECT_TRUE(IsRight(*blob, {10, kPieces}));
  Store(*blob, {2, 10});
  EXPECT_TRUE(IsRight(*blob, blob->all()));
}

TEST_F(PartialBlobTest, AHoleWhereAPieceIsMarkedIsFetchedAgain) {
  const auto blob = Open();
  Store(*blob, blob->all());
  // As after a power cut.
  const UniqueFd fd = *OpenFile(path_, O_RDWR);
  ASSERT_EQ(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        4 * kPieceBytes, 2 * kPieceBytes),
            0);
  EXPECT_FALSE(IsRight(*blob, {3, 7}));
  EXPECT_TRUE(*blob->Invalidate({3, 7}));
  EXPECT_EQ(*Open()->FirstMissing(blob->all()), (PieceRun{3, 7}));
  Store(*blob, {3, 7});
  EXPECT_TRUE(IsRight(*blob, blob->all()));
}

TEST_F(PartialBlobTest, WhatSomebodyReadsStays) {
  const auto reader = Open();
  const auto other = Open();
  Store(*reader, {0, 9});
  const auto pinned = *reader->ClaimAll({2, 5});
  for (const auto& blob : {reader, other}) {
    EXPECT_FALSE(*blob->Invalidate({0, 9}));
    EXPECT_EQ(*blob->FirstMissing({0, 9}), (PieceRun{0, 2}));
    Store(*blob, {0, 2});
    Store(*blob, {5, 9});
  }
  EXPECT_TRUE(*other->Evict({5, 9}));
  const auto under_way = *reader->ClaimMissing({5, 9}, 9);
  EXPECT_TRUE(*other->Invalidate({5, 9})) << "it is fetched as it is";
}

// Ends.

TEST_F(PartialBlobTest, APublishedBlobIsAFileLikeAnyOther) {
  const auto blob = Open();
  const auto other = Open();
  Store(*blob, blob->all());
  const fs::path name = folder_.path() / "name";
  {
    const auto all = *blob->ClaimAll(blob->all());
    ASSERT_TRUE(all);
    ASSERT_TRUE(blob->Publish(*all, name));
  }
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_FALSE(fs::exists(map_path_));
  EXPECT_EQ(fs::file_size(name), bytes_.size());
  for (const auto& user : {blob, other}) {
    EXPECT_TRUE(IsRight(*user, user->all()));
    EXPECT_FALSE(*user->Invalidate({0, 1})) << "nobody may change it any more";
    EXPECT_FALSE(*user->Evict({0, 1}));
    EXPECT_FALSE(*user->ClaimMissing(user->all(), 9));
  }
  EXPECT_EQ(*Open()->CountHere({0, kPieces}), 0u) << "a new one";
}

TEST_F(PartialBlobTest, WhatCannotBePublishedGoesOn) {
  const auto blob = Open();
  Store(*blob, blob->all());
  const auto all = *blob->ClaimAll(blob->all());
  EXPECT_FALSE(blob->Publish(*all, folder_.path() / "none" / "name"));
  EXPECT_TRUE(fs::exists(map_path_));
  EXPECT_TRUE(blob->Publish(*all, folder_.path() / "name"));
}

TEST_F(PartialBlobTest, AWholeBlobIsTakenBack) {
  const fs::path name = folder_.path() / "name";
  std::ofstream(name, std::ios::binary) << bytes_;
  auto blob = PartialBlob::TakeBack(name, path_, bytes_.size());
  ASSERT_TRUE(blob) << blob.error().message();
  EXPECT_FALSE(fs::exists(name));
  EXPECT_TRUE(IsRight(**blob, (*blob)->all()));
  EXPECT_EQ(*(*blob)->CountHere((*blob)->all()), kPieces);
  EXPECT_TRUE(*(*blob)->Evict({0, 3}));
  EXPECT_EQ(*Open(Mode::kExisting)->FirstMissing((*blob)->all()),
            (PieceRun{0, 3}));

  std::ofstream(name, std::ios::binary) << bytes_;
  EXPECT_FALSE(PartialBlob::TakeBack(name, path_, bytes_.size())) << "in use";
  blob = {};
  EXPECT_FALSE(PartialBlob::TakeBack(name, path_, 1));
  EXPECT_TRUE(PartialBlob::TakeBack(name, path_, bytes_.size()));
}

TEST_F(PartialBlobTest, WhatIsNoGoodGoes) {
  {
    const auto blob = Open();
    const auto other = Open();
    Store(*blob, {0, 5});
    ASSERT_TRUE(blob->Discard(**blob->ClaimAll(blob->all())));
    EXPECT_EQ(*other->CountHere(other->all()), 0u);
    EXPECT_TRUE(fs::exists(path_)) << "the other goes on with it";
    Store(*other, {0, 5});
    EXPECT_EQ(*Open()->CountHere({0, kPieces}), 5u);
  }
  const auto blob = Open();
  ASSERT_TRUE(blob->Discard(**blob->ClaimAll(blob->all())));
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_FALSE(fs::exists(map_path_));
}

}  // namespace
}  // namespace imgmount
