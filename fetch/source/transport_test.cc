// SPDX-License-Identifier: Apache-2.0
#include "fetch/source/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace imgmount {
namespace {

TEST(Transport, ABareNameIsARegistrys) {
  const ImageName nginx{Transport::kRegistry, "", "nginx:1.25"};
  EXPECT_EQ(ImageName::Parse("nginx:1.25"), nginx);
  const ImageName docker_hubs{Transport::kRegistry, "", "nginx:1.25", true};
  EXPECT_EQ(ImageName::Parse("docker://nginx:1.25"), docker_hubs);
  EXPECT_EQ(ImageName::Parse("localhost:5000/oci:x")->reference,
            "localhost:5000/oci:x");
}

TEST(Transport, ALayoutIsAFolderAndAName) {
  EXPECT_EQ(*ImageName::Parse("oci:/some/dir"),
            (ImageName{Transport::kOciLayout, "/some/dir", ""}));
  EXPECT_EQ(*ImageName::Parse("oci:dir:docker.io/library/nginx:latest"),
            (ImageName{Transport::kOciLayout, "dir",
                       "docker.io/library/nginx:latest"}));
  EXPECT_EQ(ImageName::Parse("oci:").error().code(), ErrorCode::kUsage);
}

TEST(Transport, AnArchiveIsAFileAndAName) {
  EXPECT_EQ(*ImageName::Parse("oci-archive:a.tar:v1"),
            (ImageName{Transport::kOciArchive, "a.tar", "v1"}));
  EXPECT_EQ(*ImageName::Parse("docker-archive:/b.tar.gz:app:1"),
            (ImageName{Transport::kDockerArchive, "/b.tar.gz", "app:1"}));
  EXPECT_EQ(*ImageName::Parse("docker-archive:b.tar:@2"),
            (ImageName{Transport::kDockerArchive, "b.tar", "@2"}));
}

TEST(Transport, AnEngineHasNames) {
  EXPECT_EQ(*ImageName::Parse("docker-daemon:app:1"),
            (ImageName{Transport::kDockerDaemon, "", "app:1"}));
  EXPECT_EQ(*ImageName::Parse("containers-storage:localhost/app"),
            (ImageName{Transport::kContainersStorage, "", "localhost/app"}));
  EXPECT_EQ(ImageName::Parse("docker-daemon:").error().code(),
            ErrorCode::kUsage);
  EXPECT_EQ(ImageName::Parse("containers-storage:[vfs@/x]app").error().code(),
            ErrorCode::kUsage);
}

TEST(Transport, WhatIsNotSpokenIsToldWithAWayOut) {
  const auto parsed = ImageName::Parse("dir:x");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(parsed.error().message(),
              ::testing::HasSubstr("skopeo copy dir:x oci:DIR"));
}

}  // namespace
}  // namespace imgmount
