// SPDX-License-Identifier: Apache-2.0
// Real mounts, through the kernel. They need /dev/fuse and root.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fs/mount/daemon.h"
#include "fs/mount/mount_server.h"
#include "fs/mount/mount_table.h"
#include "fs/mount/session.h"
#include "fs/view/composed_fs.h"
#include "fs/view/image_fs.h"
#include "tests/support/test_image.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;
using testing::RandomBytes;
using testing::TemporaryFolder;
using testing::TestImage;
using testing::TestLayer;

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

int Shell(const std::string& command) {
  const int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// An image, mounted on a folder of its own by a process of its own. Unmounts
// in the end, come what may.
class Mounted {
 public:
  explicit Mounted(TestImage& image,
                   const std::vector<std::string>& options = {},
                   bool in_a_part = false) {
    const auto parsed = MountOptions::Parse(options, ::geteuid() == 0);
    EXPECT_TRUE(parsed);
    MountConfig config;
    config.mount_point = fs::canonical(folder_.path());
    config.name = "test,image:1";
    config.options = *parsed;
    config.log = [log = log_file()](std::string_view line) {
      std::ofstream(log, std::ios::app) << line << '\n';
    };
    status_ = RunInBackground([&](const std::function<void()>& ready) {
      std::ofstream(pid_file()) << ::getpid() << std::flush;
      const auto reader =
          TreeReader::Make(image.tree(), image.opener(), {.log = config.log});
      const ImageFs fs(image.tree(), *reader,
                       {.uid = parsed->uid, .gid = parsed->gid});
      if (!in_a_part) return RunSession(fs, /*push=*/true, config, ready);
      ComposedFs composed({});
      composed.AddPart(kRootIno, "part", [&] {
        return std::shared_ptr<const FileSystem>(std::shared_ptr<void>(), &fs);
      });
      return RunSession(composed, /*push=*/true, config, ready);
    });
    EXPECT_TRUE(status_) << status_.error().message();
  }
  ~Mounted() {
    ::umount2(path().c_str(), MNT_DETACH);
    if (!ended_) WaitForEnd();
  }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;

  const fs::path& path() const { return folder_.path(); }
  std::string log_file() const { return aside_.path() / "log"; }
  pid_t pid() const { return std::stoi(Contents(pid_file())); }
  // The exit status of the process.
  int WaitForEnd() {
    ended_ = true;
    int status = -1;
    if (::waitpid(pid(), &status, 0) < 0) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  bool is_mounted() const {
    return MountAt(*ReadMountTable(), fs::canonical(path())).has_value();
  }

 private:
  std::string pid_file() const { return aside_.path() / "pid"; }
  TemporaryFolder folder_;
  TemporaryFolder aside_;
  Status status_;
  bool ended_ = false;
};

class MountTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0 || ::access("/dev/fuse", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "needs root and /dev/fuse";
    }
  }

  static TestLayer Layer() {
    TestLayer layer;
    layer.Dir("bin");
    layer.Content("bin/true", Contents("/bin/true")).Mode(0755);
    layer.Dir("etc").Mode(0700);
    layer.Content("etc/shadow", "secret\n").Mode(0600).Owner(7, 8);
    layer.Symlink("etc/link", "shadow");
    layer.Content("large", RandomBytes(5 << 20, 1)).Mtime(1'600'000'000, 5);
    layer.Link("same", "large");
    layer.SparseContent("sparse", 8 << 20, {{1 << 20, "data"}});
    layer.Special(EntryType::kFifo, "fifo");
    layer.Device(EntryType::kCharDevice, "null", 1, 3).Mode(0666);
    layer.Dir("many");
    for (int i = 0; i < 1500; ++i) {
      layer.Content(fmt::format("many/file{:04}", i),
                    fmt::format("this is {}", i));
    }
    layer.Content("odd\nname\xff", "bytes");
    layer.Content("labelled", "x").WithXattr("user.k", "v");
    return layer;
  }

  TestImage image_{{Layer()}};
};

TEST_F(MountTest, ShowsWhatFindAndTarAndStatAskFor) {
  const Mounted mounted(image_);
  const std::string dir = mounted.path();
  EXPECT_EQ(Shell("test $(find " + dir + " | wc -l) -gt 1500"), 0);
  EXPECT_EQ(Shell("tar -C " + dir + " --xattrs -cf - . > /dev/null"), 0);
  EXPECT_EQ(Shell("test \"$(stat -c %F,%a,%u,%g,%s,%h " + dir +
                  "/etc/shadow)\" = 'regular file,600,7,8,7,1'"),
            0);
  EXPECT_EQ(Shell("test \"$(stat -c %h,%Y " + dir + "/same)\" = 2,1600000000"),
            0);
  EXPECT_EQ(Shell("test $(stat -c %t:%T " + dir + "/null) = 1:3"), 0);
  EXPECT_EQ(fs::read_symlink(mounted.path() / "etc/link"), "shadow");
  EXPECT_EQ(Contents(mounted.path() / "odd\nname\xff"), "bytes");
}

TEST_F(MountTest, ReadsTheSameByEveryWay) {
  const Mounted mounted(image_);
  const std::string content = RandomBytes(5 << 20, 1);
  const fs::path large = mounted.path() / "large";
  EXPECT_EQ(Contents(large), content);

  const UniqueFd fd(::open(large.c_str(), O_RDONLY));
  ASSERT_TRUE(fd);
  const void* const mapped =
      ::mmap(nullptr, content.size(), PROT_READ, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  EXPECT_EQ(std::memcmp(mapped, content.data(), content.size()), 0);
  ::munmap(const_cast<void*>(mapped), content.size());

  const TemporaryFolder elsewhere;
  const UniqueFd copy(
      ::open((elsewhere.path() / "copy").c_str(), O_RDWR | O_CREAT, 0600));
  off_t offset = 0;
  while (::sendfile(copy.get(), fd.get(), &offset, 1 << 20) > 0) {
  }
  EXPECT_EQ(Contents(elsewhere.path() / "copy"), content);
  EXPECT_EQ(
      Shell(fmt::format("cp {} {} && cmp {} {}", large.string(),
                        (elsewhere.path() / "cp").string(), large.string(),
                        (elsewhere.path() / "cp").string())),
      0);

  // O_DIRECT, from the middle.
  const UniqueFd direct(::open(large.c_str(), O_RDONLY | O_DIRECT));
  ASSERT_TRUE(direct);
  void* aligned = nullptr;
  ASSERT_EQ(::posix_memalign(&aligned, 4096, 65536), 0);
  EXPECT_EQ(::pread(direct.get(), aligned, 65536, 1 << 20), 65536);
  EXPECT_EQ(std::memcmp(aligned, content.data() + (1 << 20), 65536), 0);
  std::free(aligned);
}

TEST_F(MountTest, RunsPrograms) {
  const Mounted mounted(image_);
  EXPECT_EQ(Shell((mounted.path() / "bin/true").string()), 0);
  const Mounted noexec(image_, {"noexec"});
  EXPECT_EQ(Shell((noexec.path() / "bin/true").string() + " 2>/dev/null"), 126);
}

TEST_F(MountTest, FindsDataAndHoles) {
  const Mounted mounted(image_);
  const UniqueFd fd(::open((mounted.path() / "sparse").c_str(), O_RDONLY));
  ASSERT_TRUE(fd);
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_DATA), 1 << 20);
  EXPECT_EQ(::lseek(fd.get(), 1 << 20, SEEK_HOLE), (1 << 20) + 4);
  EXPECT_EQ(::lseek(fd.get(), 2 << 20, SEEK_DATA), -1);
  EXPECT_EQ(errno, ENXIO);
}

TEST_F(MountTest, RefusesToBeWritten) {
  const Mounted mounted(image_);
  EXPECT_EQ(::open((mounted.path() / "new").c_str(), O_CREAT | O_WRONLY, 0600),
            -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(::unlink((mounted.path() / "large").c_str()), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(::truncate((mounted.path() / "large").c_str(), 0), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(::setxattr((mounted.path() / "large").c_str(), "user.a", "b", 1, 0),
            -1);
  EXPECT_EQ(errno, EROFS);
}

TEST_F(MountTest, HoldsOthersToTheModes) {
  const Mounted mounted(image_);
  fs::permissions(mounted.path().parent_path(), fs::perms::others_exec,
                  fs::perm_options::add);
  const std::string as_nobody =
      "setpriv --reuid 65534 --regid 65534 "
      "--clear-groups ";
  EXPECT_NE(Shell(as_nobody + "cat " + mounted.path().string() +
                  "/etc/shadow 2>/dev/null"),
            0);
}

TEST_F(MountTest, ShowsXattrs) {
  const Mounted mounted(image_);
  char value[16];
  EXPECT_EQ(::getxattr((mounted.path() / "labelled").c_str(), "user.k", value,
                       sizeof value),
            1);
  EXPECT_EQ(
      ::listxattr((mounted.path() / "large").c_str(), value, sizeof value), 0);
}

TEST_F(MountTest, AnswersDf) {
  const Mounted mounted(image_);
  struct statvfs st = {};
  ASSERT_EQ(::statvfs(mounted.path().c_str(), &st), 0);
  EXPECT_EQ(st.f_files, image_.tree().inode_count());
  EXPECT_TRUE((st.f_flag & ST_RDONLY) != 0);
  EXPECT_TRUE((st.f_flag & ST_NOSUID) != 0);
  EXPECT_TRUE((st.f_flag & ST_NODEV) != 0);
}

TEST_F(MountTest, IsListedUnderItsName) {
  const Mounted mounted(image_);
  const auto entry = MountAt(*ReadMountTable(), fs::canonical(mounted.path()));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->type, "fuse.imgmount");
  EXPECT_EQ(entry->source, "test,image:1");
}

TEST_F(MountTest, SeeksInDirectories) {
  const Mounted mounted(image_);
  DIR* const dir = ::opendir((mounted.path() / "many").c_str());
  ASSERT_NE(dir, nullptr);
  std::vector<std::pair<long, std::string>> seen;
  for (long at = ::telldir(dir); dirent* entry = ::readdir(dir);
       at = ::telldir(dir)) {
    seen.emplace_back(at, entry->d_name);
  }
  EXPECT_EQ(seen.size(), 1502u);
  for (size_t i = 0; i < seen.size(); i += 97) {
    ::seekdir(dir, seen[i].first);
    EXPECT_EQ(::readdir(dir)->d_name, seen[i].second);
  }
  ::closedir(dir);
}

TEST_F(MountTest, ShowsSmallFilesRightWhenTheyArePushed) {
  const Mounted mounted(image_);
  // In the order of the directory, as tar does; what comes first is read, the
  // rest is mostly pushed.
  for (int round = 0; round < 2; ++round) {
    for (const auto& entry : fs::directory_iterator(mounted.path() / "many")) {
      const std::string name = entry.path().filename();
      ASSERT_EQ(Contents(entry.path()),
                fmt::format("this is {}", std::stoi(name.substr(4))));
    }
  }
}

// Whether the kernel has the file's first page, which is not read for that.
bool IsInPageCache(const fs::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY));
  void* const page = ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, fd.get(), 0);
  EXPECT_NE(page, MAP_FAILED) << path;
  unsigned char there = 0;
  EXPECT_EQ(::mincore(page, 1, &there), 0);
  ::munmap(page, 1);
  return (there & 1) != 0;
}

TEST_F(MountTest, PushesFilesThatNobodyHasReadInAPartToo) {
  for (const bool in_a_part : {false, true}) {
    const Mounted mounted(image_, {}, in_a_part);
    const fs::path folder = mounted.path() / (in_a_part ? "part/many" : "many");
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
      files.push_back(entry.path());
    }
    ASSERT_FALSE(IsInPageCache(files[10]));
    for (int i = 0; i < 5; ++i) Contents(files[i]);
    while (!IsInPageCache(files[10])) std::this_thread::yield();
  }
}

TEST_F(MountTest, ServesManyReadersAtOnce) {
  const Mounted mounted(image_);
  const std::string content = RandomBytes(5 << 20, 1);
  std::vector<std::thread> readers;
  for (int i = 0; i < 64; ++i) {
    readers.emplace_back([&, i] {
      const UniqueFd fd(::open((mounted.path() / "large").c_str(), O_RDONLY));
      ASSERT_TRUE(fd);
      std::string out(50'000, '\0');
      for (int n = 0; n < 20; ++n) {
        const off_t offset = (n * 7919 * 641 + i * 65537) % (5'000'000);
        ASSERT_EQ(::pread(fd.get(), out.data(), out.size(), offset),
                  static_cast<ssize_t>(out.size()));
        ASSERT_EQ(out, content.substr(offset, out.size()));
      }
    });
  }
  for (auto& reader : readers) reader.join();
}

TEST_F(MountTest, AnswersOthersWhileASpanIsDecoded) {
  // Two pipes with names: the daemon is another process.
  const TemporaryFolder aside;
  const std::string at_work = aside.path() / "at_work";
  const std::string go_on = aside.path() / "go_on";
  ASSERT_EQ(::mkfifo(at_work.c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(go_on.c_str(), 0600), 0);
  image_.tar(0).on_read = [&, waited = false](uint64_t) mutable {
    if (std::exchange(waited, true)) return;
    std::ofstream{at_work};
    std::ifstream{go_on};
  };
  const Mounted mounted(image_);
  std::thread reader([&] {
    EXPECT_EQ(Contents(mounted.path() / "large"), RandomBytes(5 << 20, 1));
  });
  std::ifstream{at_work};  // opened by both
  // Would hang if the one who decodes were the only one to listen.
  struct stat st = {};
  EXPECT_EQ(::stat((mounted.path() / "many/file0007").c_str(), &st), 0);
  EXPECT_EQ(::stat((mounted.path() / "none").c_str(), &st), -1);
  std::ofstream{go_on};
  reader.join();
}

TEST_F(MountTest, GivesEioAndALogLineForWrongBytes) {
  image_.tar(0).bytes[image_.tar(0).bytes.size() / 2] ^= 1;
  Mounted mounted(image_);
  std::ifstream large(mounted.path() / "large", std::ios::binary);
  std::string out(5 << 20, '\0');
  EXPECT_FALSE(large.read(out.data(), static_cast<long>(out.size())));
  EXPECT_THAT(Contents(mounted.log_file()),
              ::testing::HasSubstr("wrong checksum"));
}

// A mount that a thread of the test serves.
class ServedHere {
 public:
  ServedHere(TestImage& image, const std::string& name)
      : reader_(TreeReader::Make(image.tree(), image.opener(), {.log = log()})),
        fs_(image.tree(), *reader_),
        stop_(::eventfd(0, EFD_CLOEXEC)) {
    auto mount = FuseMount::Create({.mount_point = fs::canonical(path()),
                                    .name = name,
                                    .options = *MountOptions::Parse({}, true),
                                    .log = log()});
    EXPECT_TRUE(mount) << mount.error().message();
    if (!mount) return;
    mount_.emplace(*std::move(mount));
    journal_ = *RequestJournal::Open(RequestJournal::CreateMemory()->get());
    thread_ = std::thread([this] {
      const Status served = ServeMount(
          *mount_, fs_, *journal_, {.stop_fd = stop_.get(), .on_ready = [this] {
                                      ready_.count_down();
                                    }});
      EXPECT_TRUE(served) << served.error().message();
    });
    ready_.wait();
  }
  ~ServedHere() {
    if (!thread_.joinable()) return;
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  const fs::path& path() const { return folder_.path(); }
  std::string log_text() const {
    const std::lock_guard lock(log_mutex_);
    return log_text_;
  }

 private:
  Log log() {
    return [this](std::string_view line) {
      const std::lock_guard lock(log_mutex_);
      log_text_.append(line).append("\n");
    };
  }
  TemporaryFolder folder_;
  mutable std::mutex log_mutex_;
  std::string log_text_;
  std::unique_ptr<TreeReader> reader_;
  ImageFs fs_;
  UniqueFd stop_;
  std::optional<FuseMount> mount_;
  std::unique_ptr<RequestJournal> journal_;
  std::latch ready_{1};
  std::thread thread_;
};

TEST_F(MountTest, TwoLiveInOneProcessWithLogsOfTheirOwn) {
  TestLayer second_layer;
  second_layer.Content("name", "second");
  second_layer.Content("large", RandomBytes(5 << 20, 2));
  TestImage second_image({second_layer});
  image_.tar(0).bytes[image_.tar(0).bytes.size() / 2] ^= 1;
  const ServedHere first(image_, "first");
  const ServedHere second(second_image, "second");

  EXPECT_EQ(Contents(first.path() / "etc/shadow"), "secret\n");
  EXPECT_EQ(Contents(second.path() / "name"), "second");
  EXPECT_EQ(Shell("cat " + first.path().string() + "/large >/dev/null 2>&1"),
            1);
  EXPECT_THAT(first.log_text(), ::testing::HasSubstr("wrong checksum"));
  EXPECT_EQ(second.log_text(), "");

  EXPECT_TRUE(UnmountPoint(fs::canonical(first.path()), Unmount::kNow));
  EXPECT_EQ(Contents(second.path() / "large"), RandomBytes(5 << 20, 2));
  EXPECT_FALSE(fs::exists(first.path() / "etc"));
}

TEST_F(MountTest, EndsWithUmount) {
  Mounted mounted(image_);
  EXPECT_EQ(Shell("umount " + mounted.path().string()), 0);
  EXPECT_EQ(mounted.WaitForEnd(), 0);
  EXPECT_FALSE(mounted.is_mounted());
}

TEST_F(MountTest, EndsWithFusermount) {
  Mounted mounted(image_);
  EXPECT_EQ(Shell("fusermount3 -u " + mounted.path().string()), 0);
  EXPECT_EQ(mounted.WaitForEnd(), 0);
}

TEST_F(MountTest, EndsWithOurOwnUnmount) {
  Mounted mounted(image_);
  EXPECT_TRUE(UnmountPoint(fs::canonical(mounted.path()), Unmount::kNow));
  EXPECT_EQ(mounted.WaitForEnd(), 0);
}

TEST_F(MountTest, EndsWithASignalAndUnmounts) {
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP}) {
    Mounted mounted(image_);
    ::kill(mounted.pid(), signal_number);
    EXPECT_EQ(mounted.WaitForEnd(), 0);
    EXPECT_FALSE(mounted.is_mounted()) << signal_number;
  }
}

TEST_F(MountTest, EndsWithASignalWhileFilesAreRead) {
  Mounted mounted(image_);
  std::atomic<bool> go_on{true};
  std::thread reader([&] {
    while (go_on) {
      if (Shell("cat " + mounted.path().string() +
                "/many/* > /dev/null 2>&1") != 0) {
        break;
      }
    }
  });
  EXPECT_EQ(Contents(mounted.path() / "many/file0000"), "this is 0");
  ::kill(mounted.pid(), SIGTERM);
  EXPECT_EQ(mounted.WaitForEnd(), 0);
  go_on = false;
  reader.join();
  EXPECT_FALSE(mounted.is_mounted());
}

TEST_F(MountTest, LeavesNothingMountedWhenItsConnectionIsAborted) {
  Mounted mounted(image_);
  struct stat st = {};
  ASSERT_EQ(::stat(mounted.path().c_str(), &st), 0);
  const TemporaryFolder control;
  ASSERT_EQ(::mount("none", control.path().c_str(), "fusectl", 0, nullptr), 0);
  std::ofstream(control.path() / std::to_string(minor(st.st_dev)) / "abort")
      << "1" << std::flush;
  EXPECT_EQ(::umount(control.path().c_str()), 0);
  mounted.WaitForEnd();
  EXPECT_FALSE(mounted.is_mounted());
}

TEST_F(MountTest, IsRefusedTwiceOnOnePlace) {
  const Mounted mounted(image_);
  const auto again = CheckMountPoint(mounted.path());
  ASSERT_FALSE(again);
  EXPECT_EQ(ExitStatus(again.error()), 32);
  EXPECT_THAT(again.error().message(),
              ::testing::AllOf(::testing::HasSubstr("test,image:1"),
                               ::testing::HasSubstr("imgmount -u")));
}

TEST(CheckMountPoint, SaysWhatIsWrongWithIt) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "file");
  const auto missing = CheckMountPoint(folder.path() / "a/b");
  ASSERT_FALSE(missing);
  EXPECT_EQ(ExitStatus(missing.error()), 32);
  EXPECT_THAT(missing.error().message(),
              ::testing::HasSubstr("does not exist; make it first"));
  EXPECT_THAT(CheckMountPoint(folder.path() / "file").error().message(),
              ::testing::HasSubstr("is not a directory"));
}

TEST(RunSession, ReportsWhyItCannotMount) {
  TestImage image({TestLayer()});
  const auto reader = TreeReader::Make(image.tree(), image.opener());
  MountConfig config;
  config.mount_point = "/nowhere/at/all";
  config.name = "x";
  const ImageFs fs(image.tree(), *reader);
  const Status status = RunSession(fs, /*push=*/false, config, {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kMount);
  EXPECT_EQ(status.error().message().find('\n'), std::string::npos);
}

TEST(RunInBackground, GivesTheErrorOfItsBody) {
  const Status status = RunInBackground([](const auto&) -> Status {
    return Fail(ErrorCode::kDenied, "no, thank you");
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kDenied);
  EXPECT_EQ(status.error().message(), "no, thank you");
}

TEST(RunInBackground, NoticesThatItsBodyDied) {
  const Status status = RunInBackground([](const auto&) -> Status {
    ::raise(SIGKILL);
    return {};
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kInternal);
  EXPECT_THAT(status.error().message(), ::testing::HasSubstr("Killed"));
}

TEST(RunInBackground, NoticesThatItsBodyEndedEarly) {
  const Status status =
      RunInBackground([](const auto&) -> Status { return {}; });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kMount);
}

}  // namespace
}  // namespace imgmount
