// SPDX-License-Identifier: Apache-2.0
// HttpServer: an HTTP/1.1 server on loopback that answers what a test wants,
// also what no decent server would.
#ifndef IMGMOUNT_TESTS_SUPPORT_HTTP_SERVER_H_
#define IMGMOUNT_TESTS_SUPPORT_HTTP_SERVER_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "meta/base/mutex.h"

namespace imgmount::testing {

class HttpServer {
 public:
  struct Request {
    std::string method;
    std::string target;                          // with the query
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    // "" where there is none.
    std::string Header(const std::string& name) const;
  };

  struct Reply {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};
    // So much of the body is sent, and the connection is closed then.
    std::optional<size_t> close_after = {};
    // The same, but the connection stays open and silent.
    std::optional<size_t> stall_after = {};
    // It comes byte by byte, with so much time in between.
    std::optional<std::chrono::milliseconds> drip = {};
    // Nothing at all is sent: the connection is closed, or stays as it is.
    bool hang_up = false;
    bool no_answer = false;
    // The Content-Length that is sent, whatever the body's length is.
    std::optional<uint64_t> claim_length = {};
  };

  // Called from several threads.
  using Handler = std::function<Reply(const Request&)>;

  explicit HttpServer(Handler handler,
                      const std::string& address = "127.0.0.1");
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  const std::string& authority() const { return authority_; }
  std::string Url(const std::string& path) const {
    return "http://" + authority_ + path;
  }
  // All that came so far.
  std::vector<Request> requests() const;
  // How many of them had this path (without the query).
  size_t CountOf(const std::string& path) const;
  size_t connection_count() const;

 private:
  void Accept();
  void Serve(int fd);
  bool Send(int fd, const Reply& reply, bool with_body);

  const Handler handler_;
  std::string authority_;
  int listener_ = -1;
  std::atomic<bool> stopping_ = false;
  mutable Mutex mutex_;
  std::vector<Request> requests_ GUARDED_BY(mutex_);
  std::vector<int> connections_ GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// The body's part that a Range header asks for, as a decent server answers.
HttpServer::Reply WithRange(const HttpServer::Request& request,
                            const std::string& body);

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_HTTP_SERVER_H_
