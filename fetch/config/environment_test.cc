// SPDX-License-Identifier: Apache-2.0
#include "fetch/config/environment.h"

#include <gtest/gtest.h>

#include "tests/support/test_io.h"

namespace imgmount {
namespace {

TEST(FetchEnvironment, ProxiesAreThoseThatLibcurlChooses) {
  testing::TestIo io;
  const auto read = [&] { return FetchEnvironment::Read(io.io.env); };
  EXPECT_EQ(read().https_proxy.value, "");
  io.env["ALL_PROXY"] = "all";
  io.env["HTTPS_PROXY"] = "upper";
  io.env["https_proxy"] = "";  // as if it were not set
  EXPECT_EQ(read().https_proxy.name, "HTTPS_PROXY");
  EXPECT_EQ(read().https_proxy.value, "upper");
  io.env["https_proxy"] = "lower";
  EXPECT_EQ(read().https_proxy.name, "https_proxy");
  EXPECT_EQ(read().https_proxy.value, "lower");
  io.env["NO_PROXY"] = "host";
  EXPECT_EQ(read().no_proxy.name, "NO_PROXY");
}

TEST(FetchEnvironment, UpperCaseHttpProxyIsForWhenThereIsNoOther) {
  testing::TestIo io;
  io.env["HTTP_PROXY"] = "upper";
  EXPECT_EQ(FetchEnvironment::Read(io.io.env).http_proxy, "upper");
  io.env["http_proxy"] = "lower";
  EXPECT_EQ(FetchEnvironment::Read(io.io.env).http_proxy, "");
}

}  // namespace
}  // namespace imgmount
