// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/certs_d.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "meta/base/file.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxCertificate = 1 << 20;

Result<TlsFiles> ReadFolder(const fs::path& folder) {
  TlsFiles tls;
  tls.place = folder.string();
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    files.push_back(entry.path());
  }
  if (error) return FailErrno(folder.string(), error.value());
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    if (file.extension() == ".crt") {
      IMGMOUNT_TRY(const std::string text, ReadFile(file, kMaxCertificate));
      tls.authorities += text + "\n";
    } else if (file.extension() == ".cert" || file.extension() == ".key") {
      const bool is_key = file.extension() == ".key";
      const fs::path other =
          fs::path(file).replace_extension(is_key ? ".cert" : ".key");
      if (!fs::exists(other, error)) {
        return Fail(ErrorCode::kUsage,
                    fmt::format("{}: {} is missing", file.string(),
                                other.filename().string()));
      }
      (is_key ? tls.client_key : tls.client_certificate) = file.string();
    }
  }
  return tls;
}

}  // namespace

Result<TlsFiles> FindCertificates(const std::string& registry,
                                  const FetchEnvironment& environment) {
  const std::string& home = environment.home;
  std::vector<fs::path> folders;
  const auto add = [&](const std::string& places, const std::string& name) {
    if (!home.empty()) {
      folders.push_back(fs::path(home) / ".config" / places / name);
    }
    folders.push_back(fs::path("/etc") / places / name);
  };
  add("containers/certs.d", registry);
  folders.push_back(fs::path("/etc/docker/certs.d") / registry);
  add("containerd/certs.d", registry);
  add("containerd/certs.d", "_default");
  for (const fs::path& folder : folders) {
    std::error_code error;
    if (fs::is_directory(folder, error)) return ReadFolder(folder);
  }
  return TlsFiles();
}

}  // namespace imgmount
