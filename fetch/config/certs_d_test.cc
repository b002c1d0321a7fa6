// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/certs_d.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/tar_builder.h"
#include "tests/support/test_io.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

class CertsDTest : public ::testing::Test {
 protected:
  CertsDTest() {
    io_.env["HOME"] = home_.path().string();
    fs::create_directories(folder_);
  }
  void Write(const std::string& name, const std::string& text = "") {
    std::ofstream(folder_ / name) << text;
  }

  const testing::TemporaryFolder home_;
  const fs::path folder_ =
      home_.path() / ".config/containers/certs.d/my-registry.test:5000";
  testing::TestIo io_;
};

TEST_F(CertsDTest, ReadsAuthoritiesAndTheClientsPair) {
  Write("b.crt", "second");
  Write("a.crt", "first");
  Write("client.cert");
  Write("client.key");
  Write("README");
  EXPECT_EQ(*FindCertificates("my-registry.test:5000",
                              FetchEnvironment::Read(io_.io.env)),
            (TlsFiles{folder_.string(), "first\nsecond\n",
                      (folder_ / "client.cert").string(),
                      (folder_ / "client.key").string()}));
}

TEST_F(CertsDTest, ContainerdsFoldersAreReadTooAndItsDefaultLast) {
  const fs::path containerd = home_.path() / ".config/containerd/certs.d";
  const auto found = [&](const std::string& registry) {
    return FindCertificates(registry, FetchEnvironment::Read(io_.io.env))
        ->authorities;
  };
  for (const char* name : {"_default", "one.test", "my-registry.test:5000"}) {
    fs::create_directories(containerd / name);
    std::ofstream(containerd / name / "ca.crt") << name;
  }
  Write("ca.crt", "of containers");
  EXPECT_EQ(found("one.test"), "one.test\n");
  EXPECT_EQ(found("two.test"), "_default\n");
  EXPECT_EQ(found("my-registry.test:5000"), "of containers\n");
}

TEST_F(CertsDTest, AnotherPortIsAnotherRegistry) {
  EXPECT_EQ(
      *FindCertificates("my-registry.test", FetchEnvironment::Read(io_.io.env)),
      TlsFiles());
}

TEST_F(CertsDTest, HalfAPairIsRefused) {
  for (const auto& [there, missing] :
       {std::pair("client.cert", "client.key"),
        std::pair("client.key", "client.cert")}) {
    Write(there);
    const auto found = FindCertificates("my-registry.test:5000",
                                        FetchEnvironment::Read(io_.io.env));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), ErrorCode::kUsage);
    EXPECT_EQ(found.error().message(),
              (folder_ / there).string() + ": " + missing + " is missing");
    fs::remove(folder_ / there);
  }
}

}  // namespace
}  // namespace imgmount
