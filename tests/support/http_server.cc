// SPDX-License-Identifier: Apache-2.0
#include "tests/support/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <stdexcept>

namespace imgmount::testing {
namespace {

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// Reads until `buffer` holds `wanted` bytes.
bool Fill(int fd, std::string& buffer, size_t wanted) {
  char chunk[4096];
  while (buffer.size() < wanted) {
    const ssize_t n = ::recv(fd, chunk, sizeof chunk, 0);
    if (n <= 0) return false;
    buffer.append(chunk, static_cast<size_t>(n));
  }
  return true;
}

// Until the client gives up, or the server ends. Returns false.
bool AwaitEnd(int fd) {
  char byte;
  while (::recv(fd, &byte, 1, 0) > 0) {
  }
  return false;
}

std::optional<HttpServer::Request> ReadRequest(int fd, std::string& buffer) {
  size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    // A TLS handshake would wait for an answer for ever.
    if (buffer.starts_with('\x16') || buffer.size() > 1 << 20) return {};
    if (!Fill(fd, buffer, buffer.size() + 1)) return {};
  }
  const std::string head = buffer.substr(0, end + 2);
  buffer.erase(0, end + 4);

  HttpServer::Request request;
  size_t start = head.find("\r\n");
  const std::string first = head.substr(0, start);
  const size_t space = first.find(' ');
  request.method = first.substr(0, space);
  request.target = first.substr(space + 1, first.rfind(' ') - space - 1);
  for (start += 2; start < head.size();) {
    const size_t stop = head.find("\r\n", start);
    const std::string line = head.substr(start, stop - start);
    const size_t colon = line.find(':');
    if (colon == std::string::npos) return {};
    const size_t value = line.find_first_not_of(' ', colon + 1);
    request.headers[Lower(line.substr(0, colon))] =
        value == std::string::npos ? "" : line.substr(value);
    start = stop + 2;
  }
  if (const std::string length = request.Header("content-length");
      !length.empty()) {
    const size_t size = std::stoul(length);
    if (!Fill(fd, buffer, size)) return {};
    request.body = buffer.substr(0, size);
    buffer.erase(0, size);
  }
  return request;
}

}  // namespace

std::string HttpServer::Request::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

HttpServer::HttpServer(Handler handler, const std::string& address)
    : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  ::inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  socklen_t size = sizeof name;
  auto* generic = reinterpret_cast<sockaddr*>(&name);
  if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("cannot listen on " + address);
  }
  authority_ = fmt::format("{}:{}", address, ntohs(name.sin_port));
  acceptor_ = std::thread([this] { Accept(); });
}

HttpServer::~HttpServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const MutexLock lock(mutex_);
    for (const int fd : connections_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  for (const int fd : connections_) ::close(fd);
  ::close(listener_);
}

void HttpServer::Accept() {
  while (!stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const MutexLock lock(mutex_);
    connections_.push_back(fd);
    threads_.emplace_back([this, fd] { Serve(fd); });
  }
}

void HttpServer::Serve(int fd) {
  std::string buffer;
  while (!stopping_) {
    const auto request = ReadRequest(fd, buffer);
    if (!request) break;
    {
      const MutexLock lock(mutex_);
      requests_.push_back(*request);
    }
    if (!Send(fd, handler_(*request), request->method != "HEAD")) break;
  }
  ::shutdown(fd, SHUT_RDWR);
}

// False when the connection is to be closed.
bool HttpServer::Send(int fd, const Reply& reply, bool with_body) {
  if (reply.hang_up) return false;
  if (reply.no_answer) return AwaitEnd(fd);
  std::string head =
      fmt::format("HTTP/1.1 {} Whatever\r\nContent-Length: {}\r\n",
                  reply.status, reply.claim_length.value_or(reply.body.size()));
  for (const auto& [name, value] : reply.headers) {
    head += fmt::format("{}: {}\r\n", name, value);
  }
  if (!SendAll(fd, head + "\r\n")) return false;
  if (!with_body) return true;
  const std::string_view body = reply.body;
  if (reply.close_after) {
    SendAll(fd, body.substr(0, *reply.close_after));
    return false;
  }
  if (reply.stall_after) {
    SendAll(fd, body.substr(0, *reply.stall_after));
    return AwaitEnd(fd);
  }
  if (reply.drip) {
    for (size_t i = 0; i < body.size(); ++i) {
      if (stopping_ || !SendAll(fd, body.substr(i, 1))) return false;
      std::this_thread::sleep_for(*reply.drip);
    }
    return true;
  }
  return SendAll(fd, body) && !reply.claim_length;
}

std::vector<HttpServer::Request> HttpServer::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

size_t HttpServer::CountOf(const std::string& path) const {
  const MutexLock lock(mutex_);
  return static_cast<size_t>(
      std::count_if(requests_.begin(), requests_.end(), [&](const Request& r) {
        return r.target.substr(0, r.target.find('?')) == path;
      }));
}

size_t HttpServer::connection_count() const {
  const MutexLock lock(mutex_);
  return connections_.size();
}

HttpServer::Reply WithRange(const HttpServer::Request& request,
                            const std::string& body) {
  const std::string range = request.Header("range");
  if (!range.starts_with("bytes=")) return {.body = body};
  const size_t first = std::stoul(range.substr(6));
  if (first >= body.size()) return {.status = 416};
  const std::string last = range.substr(range.find('-') + 1);
  const size_t end =
      last.empty() ? body.size() : std::min(std::stoul(last) + 1, body.size());
  return {.status = 206,
          .headers = {{"Content-Range", fmt::format("bytes {}-{}/{}", first,
                                                    end - 1, body.size())}},
          .body = body.substr(first, end - first)};
}

}  // namespace imgmount::testing
