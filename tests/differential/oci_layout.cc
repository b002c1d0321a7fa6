// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "meta/base/digest.h"
#include "tests/differential/oracles.h"
#include "tests/support/tar_builder.h"

extern char** environ;

namespace imgmount::testing {
namespace {

namespace fs = std::filesystem;

// Stores a blob; returns the fields of its descriptor but the media type.
std::string PutBlob(const fs::path& layout, const std::string& bytes) {
  const Digest digest = DigestOf(bytes);
  std::ofstream(layout / "blobs/sha256" / std::string(digest.hex()),
                std::ios::binary)
      << bytes;
  return fmt::format(R"("digest":"{}","size":{})", digest.text(), bytes.size());
}

}  // namespace

Ran Run(const std::vector<std::string>& command, const fs::path& output) {
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  std::array<int, 2> errors;
  if (::pipe2(errors.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
  pid_t pid;
  const int failed =
      ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(errors[1]);
  Ran ran = {false, ""};
  std::array<char, 4096> buffer;
  for (ssize_t n; failed == 0 &&
                  (n = ::read(errors[0], buffer.data(), buffer.size())) > 0;) {
    ran.errors.append(buffer.data(), static_cast<size_t>(n));
  }
  ::close(errors[0]);
  if (failed != 0) throw std::runtime_error("cannot run " + command[0]);
  int status;
  ::waitpid(pid, &status, 0);
  ran.ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return ran;
}

std::string Compress(const std::string& tar, BlobCompression how) {
  switch (how) {
    case BlobCompression::kNone:
      break;
    case BlobCompression::kGzip:
      return Gzip(tar);
    case BlobCompression::kZstd:
      return Zstd(tar);
    case BlobCompression::kBzip2:
      return Bzip2(tar);
    case BlobCompression::kXz:
      return Xz(tar);
  }
  return tar;
}

void WriteOciLayout(std::span<const std::string> tars,
                    std::span<const BlobCompression> compressions,
                    const fs::path& layout) {
  fs::create_directories(layout / "blobs/sha256");
  std::string layers;
  std::string diff_ids;
  for (size_t i = 0; i < tars.size(); ++i) {
    const std::string blob = Compress(tars[i], compressions[i]);
    // Compressions without a media type are recognised by their first bytes.
    const char* suffix = compressions[i] == BlobCompression::kGzip   ? "+gzip"
                         : compressions[i] == BlobCompression::kZstd ? "+zstd"
                                                                     : "";
    const char* comma = i == 0 ? "" : ",";
    layers += fmt::format(
        R"({}{{"mediaType":"application/vnd.oci.image.layer.v1.tar{}",{}}})",
        comma, suffix, PutBlob(layout, blob));
    diff_ids += fmt::format(R"({}"{}")", comma, DigestOf(tars[i]).text());
  }
  const std::string config = PutBlob(
      layout,
      fmt::format(R"({{"architecture":"amd64","os":"linux","config":{{}},)"
                  R"("rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
                  diff_ids));
  const std::string manifest = PutBlob(
      layout,
      fmt::format(
          R"({{"schemaVersion":2,"config":{{"mediaType":)"
          R"("application/vnd.oci.image.config.v1+json",{}}},"layers":[{}]}})",
          config, layers));
  std::ofstream(layout / "index.json") << fmt::format(
      R"({{"schemaVersion":2,"manifests":[{{"mediaType":)"
      R"("application/vnd.oci.image.manifest.v1+json",{},"annotations":)"
      R"({{"org.opencontainers.image.ref.name":"test"}}}}]}})",
      manifest);
  std::ofstream(layout / "oci-layout") << R"({"imageLayoutVersion":"1.0.0"})";
}

Facts UmociFacts(const fs::path& layout, const fs::path& bundle) {
  const Ran ran = Run({"umoci", "unpack", "--image", layout.native() + ":test",
                       bundle.native()});
  if (!ran.ok) throw std::runtime_error("umoci: " + ran.errors);
  return FactsOfFolder(bundle / "rootfs");
}

Facts MountFacts(const fs::path& imgmount, const fs::path& layout,
                 const fs::path& folder) {
  const fs::path point = folder / "mount";
  fs::create_directories(point);
  const Ran mounted =
      Run({imgmount.native(), "-q", "--cache-dir", (folder / "cache").native(),
           "oci:" + layout.native() + ":test", point.native()});
  if (!mounted.ok) throw std::runtime_error(mounted.errors);
  struct Unmount {
    const fs::path& point;
    ~Unmount() { ::umount2(point.c_str(), MNT_DETACH); }
  } unmount{point};
  return FactsOfFolder(point);
}

}  // namespace imgmount::testing
