// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "tests/support/http_server.h"
#include "tests/support/tar_builder.h"

namespace imgmount {
namespace {

using ::imgmount::testing::HttpServer;
using ::testing::HasSubstr;
using Kind = TransportError::Kind;
using Reply = HttpServer::Reply;
using Request = HttpServer::Request;

HttpRequest Get(const std::string& url) {
  return HttpRequest{.url = *Url::Parse(url)};
}

class Collector : public HttpBody {
 public:
  Attempt<void> Begin(const HttpResponse&) override {
    ++begins;
    return {};
  }
  Attempt<void> Write(std::span<const std::byte> bytes) override {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  int begins = 0;
  std::string text;
};

TEST(HttpClient, FetchesADocument) {
  HttpServer server([](const Request&) -> Reply {
    return {.headers = {{"Content-Type", "text/plain"}}, .body = "hello"};
  });
  HttpClient client;
  const auto response = client.Fetch(Get(server.Url("/x")), 100);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(*response->Find("content-type"), "text/plain");
  EXPECT_THAT(server.requests()[0].Header("user-agent"),
              HasSubstr("imgmount/"));
}

TEST(HttpClient, AnAnswerThatIsNoSuccessIsAResponse) {
  HttpServer server([](const Request&) -> Reply {
    return {.status = 404, .body = "nothing here"};
  });
  HttpClient client;
  Collector body;
  const auto response = client.Stream(Get(server.Url("/x")), body);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body, "nothing here");
  EXPECT_EQ(body.begins, 0);
}

TEST(HttpClient, RefusesADocumentThatIsTooLong) {
  HttpServer server(
      [](const Request&) -> Reply { return {.body = std::string(1000, 'x')}; });
  HttpClient client;
  const auto response = client.Fetch(Get(server.Url("/x")), 999);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().error.code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(client.Fetch(Get(server.Url("/x")), 1000));
}

TEST(HttpClient, StreamsABodyAlsoAnEmptyOne) {
  const std::string large(3 << 20, 'x');
  HttpServer server([&](const Request& request) -> Reply {
    return {.body = request.target == "/large" ? large : ""};
  });
  HttpClient client;
  Collector body;
  ASSERT_TRUE(client.Stream(Get(server.Url("/large")), body));
  EXPECT_EQ(body.text, large);
  Collector empty;
  ASSERT_TRUE(client.Stream(Get(server.Url("/empty")), empty));
  EXPECT_EQ(empty.begins, 1);
}

TEST(HttpClient, FollowsRedirects) {
  HttpServer server([](const Request& request) -> Reply {
    if (request.target == "/b") return {.body = "there"};
    return {.status = 307, .headers = {{"Location", "/b"}}, .body = "gone"};
  });
  HttpClient client;
  const auto response = client.Fetch(Get(server.Url("/a")), 100);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "there");
  EXPECT_TRUE(response->redirected);
  EXPECT_EQ(response->url.text(), server.Url("/b"));
}

TEST(HttpClient, TakesNoAuthorizationToAnotherHost) {
  HttpServer cdn([](const Request&) -> Reply { return {.body = "bytes"}; },
                 "127.0.0.2");
  HttpServer server([&](const Request& request) -> Reply {
    if (request.target == "/same") {
      return {.status = 302, .headers = {{"Location", "/away"}}};
    }
    return {.status = 302, .headers = {{"Location", cdn.Url("/blob")}}};
  });
  HttpClient client;
  HttpRequest request = Get(server.Url("/same"));
  request.authorization = "Bearer secret";
  ASSERT_TRUE(client.Fetch(request, 100));
  EXPECT_EQ(server.requests()[1].Header("authorization"), "Bearer secret");
  EXPECT_EQ(cdn.requests()[0].Header("authorization"), "");
}

TEST(HttpClient, TakesNoAuthorizationToAnotherPort) {
  HttpServer other([](const Request&) -> Reply { return {}; });
  HttpServer server([&](const Request&) -> Reply {
    return {.status = 301, .headers = {{"Location", other.Url("/")}}};
  });
  HttpClient client;
  HttpRequest request = Get(server.Url("/"));
  request.authorization = "Bearer secret";
  ASSERT_TRUE(client.Fetch(request, 100));
  EXPECT_EQ(other.requests()[0].Header("authorization"), "");
}

TEST(HttpClient, AsksForBodiesAsTheyAreAndDecodesThemAllTheSame) {
  const std::string text(100'000, 'x');
  const std::map<std::string, std::string> coded = {
      {"gzip", testing::Gzip(text)},
      {"zstd", testing::Zstd(text)},
      {"br", std::string("\x0b\x02\x80hello\x03")},
      {"identity", text},
      {"gzip, gzip", testing::Gzip(testing::Gzip(text))}};
  HttpServer server([&](const Request& request) -> Reply {
    const std::string coding = request.Header("x-coding");
    return {.headers = {{"Content-Encoding", coding}},
            .body = coded.at(coding)};
  });
  HttpClient client;
  for (const auto& [coding, body] : coded) {
    HttpRequest request = Get(server.Url("/"));
    request.headers = {"X-Coding: " + coding};
    const auto decoded = client.Fetch(request, text.size());
    ASSERT_TRUE(decoded) << coding << decoded.error().error.message();
    EXPECT_EQ(decoded->body, coding == "br" ? "hello" : text) << coding;
    EXPECT_EQ(server.requests().back().Header("accept-encoding"), "identity");
    request.decode = false;
    EXPECT_EQ(client.Fetch(request, 200'000)->body, body) << coding;
  }
}

TEST(HttpClient, TheLimitIsOnWhatIsDecoded) {
  HttpServer server([](const Request&) -> Reply {
    return {.headers = {{"Content-Encoding", "gzip"}},
            .body = testing::Gzip(std::string(1000, 'x'))};
  });
  HttpClient client;
  EXPECT_TRUE(client.Fetch(Get(server.Url("/")), 1000));
  const auto response = client.Fetch(Get(server.Url("/")), 999);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().error.code(), ErrorCode::kCorrupt);
}

TEST(HttpClient, ACodingThatIsNoneIsNotBelieved) {
  for (const char* coding : {"aws-chunked", "utf-8", "gzip"}) {
    HttpServer server([&](const Request&) -> Reply {
      return {.headers = {{"Content-Encoding", coding}}, .body = "{}"};
    });
    HttpClient client;
    const auto response = client.Fetch(Get(server.Url("/")), 100);
    ASSERT_TRUE(response) << coding << response.error().error.message();
    EXPECT_EQ(response->body, "{}");
  }
}

TEST(HttpClient, AnErrorsBodyIsReadToAPoint) {
  HttpServer server([](const Request&) -> Reply {
    return {.status = 500, .body = std::string(32 << 20, 'x')};
  });
  HttpClient client;
  const auto response = client.Fetch(Get(server.Url("/")), 100);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 500);
  EXPECT_EQ(response->body.size(), 64u << 10);
}

TEST(HttpClient, EndsALoopOfRedirects) {
  HttpServer server([](const Request&) -> Reply {
    return {.status = 302, .headers = {{"Location", "/again"}}};
  });
  HttpClient client;
  const auto response = client.Fetch(Get(server.Url("/")), 100);
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().error.message(), HasSubstr("10 redirects"));
  EXPECT_EQ(server.requests().size(), 11u);
}

TEST(HttpClient, FollowsARedirectNeverToAFile) {
  HttpServer server([](const Request&) -> Reply {
    return {.status = 302, .headers = {{"Location", "file:///etc/passwd"}}};
  });
  HttpClient client;
  EXPECT_FALSE(client.Fetch(Get(server.Url("/")), 100));
}

TEST(HttpClient, AConnectionClosedEarlyIsTransient) {
  HttpServer server([](const Request&) -> Reply {
    return {.body = std::string(100, 'x'), .close_after = 50};
  });
  HttpClient client;
  Collector body;
  const auto response = client.Stream(Get(server.Url("/")), body);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Kind::kTransient);
  EXPECT_EQ(body.text.size(), 50u);
}

TEST(HttpClient, AStallEndsTheTransfer) {
  HttpServer server([](const Request&) -> Reply {
    return {.body = std::string(100, 'x'), .stall_after = 50};
  });
  HttpClient client({.stall_timeout = std::chrono::milliseconds(1)});
  Collector body;
  const auto response = client.Stream(Get(server.Url("/")), body);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Kind::kTransient);
  EXPECT_THAT(response.error().error.message(), HasSubstr("nothing arrived"));
}

TEST(HttpClient, AByteNowAndThenIsAStall) {
  using std::chrono::milliseconds;
  for (const int status : {200, 500}) {
    HttpServer server([&](const Request&) -> Reply {
      return {.status = status,
              .body = std::string(10'000, 'x'),
              .drip = milliseconds(20)};
    });
    HttpClient client({.stall_timeout = milliseconds(200)});
    Collector body;
    const auto response = client.Stream(Get(server.Url("/")), body);
    ASSERT_FALSE(response) << status;
    EXPECT_EQ(response.error().kind, Kind::kTransient);
    EXPECT_TRUE(response.error().silence);
    EXPECT_THAT(response.error().error.message(),
                HasSubstr("next to nothing arrived"));
  }
}

TEST(HttpClient, TheReceiversTimeIsNoStall) {
  using std::chrono::milliseconds;
  class Slow : public Collector {
    Attempt<void> Write(std::span<const std::byte> bytes) override {
      std::this_thread::sleep_for(milliseconds(300));
      return Collector::Write(bytes);
    }
  };
  HttpServer server([](const Request&) -> Reply {
    return {.body = "a few bytes", .drip = milliseconds(1)};
  });
  HttpClient client({.stall_timeout = milliseconds(200)});
  Slow body;
  ASSERT_TRUE(client.Stream(Get(server.Url("/")), body));
  EXPECT_EQ(body.text, "a few bytes");
}

TEST(HttpClient, IsInterruptedWhileNothingArrives) {
  std::atomic<bool> stop = false;
  HttpServer server([&](const Request&) -> Reply {
    stop = true;
    return {.body = std::string(100, 'x'), .stall_after = 0};
  });
  HttpClient client({.stopped = [&] { return stop.load(); }});
  const auto response = client.Fetch(Get(server.Url("/")), 100);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().kind, Kind::kStop);
  EXPECT_EQ(response.error().error.code(), ErrorCode::kCancelled);
}

TEST(HttpClient, AReceiversErrorEndsTheTransfer) {
  class Refuser : public Collector {
    Attempt<void> Write(std::span<const std::byte>) override {
      return FailAttempt(Error(ErrorCode::kIo, "disk full"), Kind::kStop);
    }
  };
  HttpServer server([](const Request&) -> Reply {
    return {.body = std::string(1 << 20, 'x')};
  });
  HttpClient client;
  Refuser body;
  const auto response = client.Stream(Get(server.Url("/")), body);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().error.message(), "disk full");
}

TEST(HttpClient, NobodyThereIsToldWithTheHost) {
  HttpClient client;
  std::string gone;
  {
    HttpServer server([](const Request&) -> Reply { return {}; });
    gone = server.Url("/");
  }
  const auto refused = client.Fetch(Get(gone), 100);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, Kind::kConnect);
  EXPECT_EQ(refused.error().error.code(), ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().error.message(), HasSubstr("127.0.0.1:"));

  // A label this long is no name, and nobody is asked for it.
  const std::string unknown_host = std::string(64, 'x') + ".invalid";
  const auto unknown = client.Fetch(Get("http://" + unknown_host + "/"), 100);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, Kind::kConnect);
  EXPECT_THAT(unknown.error().error.message(), HasSubstr(unknown_host));
}

TEST(HttpClient, HttpsToAPlainServerIsAMatterOfProtocol) {
  HttpServer server([](const Request&) -> Reply { return {}; });
  HttpClient client({.connect_timeout = std::chrono::milliseconds(1000),
                     .stall_timeout = std::chrono::milliseconds(1000)});
  const auto response =
      client.Fetch(Get("https://" + server.authority() + "/"), 100);
  ASSERT_FALSE(response);
  EXPECT_NE(response.error().kind, Kind::kFinal);
}

TEST(HttpClient, KeepsConnections) {
  std::atomic<int> sent = 0;
  HttpServer server([&](const Request&) -> Reply {
    ++sent;
    return {.body = "x"};
  });
  HttpClient client;
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(client.Fetch(Get(server.Url("/")), 9));
  EXPECT_EQ(sent, 5);
  EXPECT_EQ(server.connection_count(), 1u);
}

}  // namespace
}  // namespace imgmount
