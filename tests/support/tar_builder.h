// SPDX-License-Identifier: Apache-2.0
// Tars made in memory, for tests: one call per entry, then what differs.
//
//   TarBuilder()
//       .Dir("etc/").Mode(0755)
//       .File("etc/motd", "hello\n").Owner(1, 2).Xattr("user.k", "v")
//       .Whiteout("etc/passwd")   // etc/.wh.passwd
//       .Opaque("var")            // var/.wh..wh..opq
//       .Build();
//
// Values that do not fit a ustar header go into a PAX header. Names are written
// as given, so that hostile ones can be made.
#ifndef IMGMOUNT_TESTS_SUPPORT_TAR_BUILDER_H_
#define IMGMOUNT_TESTS_SUPPORT_TAR_BUILDER_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "meta/base/result.h"
#include "meta/layer/first_pass.h"

namespace imgmount::testing {

class TarBuilder {
 public:
  TarBuilder& Dir(std::string path);
  TarBuilder& File(std::string path, std::string content);
  TarBuilder& Symlink(std::string path, std::string target);
  TarBuilder& HardLink(std::string path, std::string target);
  TarBuilder& CharDevice(std::string path, uint32_t major, uint32_t minor);
  TarBuilder& BlockDevice(std::string path, uint32_t major, uint32_t minor);
  TarBuilder& Fifo(std::string path);
  TarBuilder& Whiteout(const std::string& hidden_path);
  TarBuilder& Opaque(const std::string& directory);
  // Bytes put between entries as they are.
  TarBuilder& Raw(std::string bytes);

  // About the entry added last. Defaults: 0644 (directories 0755, symlinks
  // 0777), owner 0:0, mtime 0.
  TarBuilder& Mode(uint32_t mode);
  TarBuilder& Owner(int64_t uid, int64_t gid);
  TarBuilder& Mtime(int64_t seconds);
  TarBuilder& Xattr(std::string_view name, std::string_view value);
  TarBuilder& Pax(std::string key, std::string value);
  TarBuilder& Type(char typeflag);
  // Long names and targets by GNU's 'L' and 'K' entries; numbers by base-256.
  TarBuilder& Gnu();
  // Makes the header say this size, whatever the content is.
  TarBuilder& ClaimSize(uint64_t size);
  TarBuilder& LinkTarget(std::string target);

  // With two zero blocks at the end, or without.
  std::string Build(bool end_marker = true) const;

 private:
  struct Entry {
    char type = '0';
    std::string path;
    std::string target;
    std::string content;
    uint32_t mode = 0644;
    int64_t uid = 0;
    int64_t gid = 0;
    int64_t mtime = 0;
    uint32_t major = 0;
    uint32_t minor = 0;
    std::vector<std::pair<std::string, std::string>> pax;
    bool gnu = false;
    bool claims_size = false;
    uint64_t claimed_size = 0;
  };
  TarBuilder& Add(char type, std::string path, uint32_t mode);
  static void Render(const Entry& entry, std::string& out);

  std::vector<Entry> entries_;  // type 0: raw bytes, in content
};

// One PAX record: "<length> <key>=<value>\n".
std::string PaxRecord(std::string_view key, std::string_view value);

std::string Gzip(std::string_view data, int level = 6);
std::string Zstd(std::string_view data, int level = 3);
std::string Bzip2(std::string_view data);
std::string Xz(std::string_view data);

// Bytes that do not compress, the same for the same seed.
std::string RandomBytes(size_t size, uint64_t seed);
// Bytes that compress about 3:1, like program text.
std::string TextLikeBytes(size_t size, uint64_t seed);

// A fresh folder, removed with all its contents.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Pushes `blob` through a first pass, `step` bytes at a time.
Result<FirstPassResult> RunFirstPass(std::string_view blob,
                                     FirstPassOptions options,
                                     size_t step = 100'000);

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_TAR_BUILDER_H_
