// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/error_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/hostile_json.h"

namespace imgmount {
namespace {

TEST(RegistryMessage, IsTheFirstErrorsMessage) {
  EXPECT_EQ(RegistryMessage(R"({"errors":[{"code":"DENIED","message":"no"},
                                          {"message":"never"}]})"),
            "no");
  EXPECT_EQ(RegistryMessage(R"({"errors":[{"code":"DENIED"}]})"), "DENIED");
  EXPECT_EQ(RegistryMessage(R"({"details":"incorrect password"})"),
            "incorrect password");
  EXPECT_EQ(RegistryMessage(R"({"message":"two\nlines"})"), R"(two\nlines)");
}

TEST(RegistryMessage, OfAPageIsItsTitle) {
  const auto of_page = [](const char* page) {
    return RegistryMessage(page, "text/html; charset=utf-8");
  };
  // nginx, in front of a registry, with ssl_verify_client on.
  EXPECT_EQ(
      of_page("<html>\r\n<head><title>400 No required SSL certificate was "
              "sent</title></head>\r\n<body>…"),
      "No required SSL certificate was sent");
  EXPECT_EQ(of_page("<title>\n  Down for \x1b[1mmaintenance"),
            R"(Down for \x1b[1mmaintenance)");
  EXPECT_EQ(of_page("<title>404</title>"), "");
  EXPECT_EQ(of_page("<h1>Hello</h1>"), "");
}

TEST(RegistryMessage, IsEmptyForAnythingElse) {
  for (const char* body : {"", "<html>", "[]", "5", R"({"errors":[]})",
                           R"({"errors":[5]})", R"({"message":5})"}) {
    EXPECT_EQ(RegistryMessage(body), "") << body;
  }
}

TEST(RegistryMessage, OfAHostileBodyIsNotRead) {
  const auto message = [](const std::string& member) {
    return RegistryMessage(R"({"message":"no","detail":)" + member + "}");
  };
  EXPECT_EQ(message("0"), "no");
  EXPECT_EQ(message(testing::DeepJson()), "");
  EXPECT_EQ(message(testing::LargeJson()), "");
}

}  // namespace
}  // namespace imgmount
