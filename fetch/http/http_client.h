// SPDX-License-Identifier: Apache-2.0
// HttpClient: HTTP(S) requests by libcurl, one at a time per thread.
//
// Thread-safe; each request borrows a handle (and with it the open
// connections) from a pool. Redirects are followed here, not by libcurl, so
// that the rules stand in one place: at most ten, an Authorization header and a
// client certificate go only to the origin they were meant for, and https leads
// to http only where a request says so.
// Bodies are asked for as they are (Accept-Encoding: identity); what comes with
// a Content-Encoding that libcurl knows is decoded all the same.
// HTTPS_PROXY, ALL_PROXY, http_proxy and NO_PROXY are honoured by libcurl;
// HTTP_PROXY, which it leaves to CGI programs, by HttpOptions.
#ifndef IMGMOUNT_FETCH_HTTP_HTTP_CLIENT_H_
#define IMGMOUNT_FETCH_HTTP_HTTP_CLIENT_H_

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fetch/http/tls_files.h"
#include "fetch/http/transport_error.h"
#include "fetch/http/url.h"
#include "meta/base/mutex.h"

namespace imgmount {

struct HttpOptions {
  std::chrono::milliseconds connect_timeout{30'000};
  // A transfer ends when less than 1 KiB of a body arrives for so long, or no
  // whole head of an answer; 0: never.
  std::chrono::milliseconds stall_timeout{60'000};
  std::string http_proxy = {};  // for http URLs; "": what libcurl finds
  // Looked at ten times a second; true ends a request with kCancelled.
  std::function<bool()> stopped = {};
};

struct HttpRequest {
  Url url;
  std::string method = "GET";
  std::vector<std::string> headers = {};         // "Accept: …"
  std::vector<std::string> origin_headers = {};  // for the URL's origin alone
  std::string authorization = {};                // the header's value; "": none
  // The same for another origin, where a redirect leads; empty: none.
  std::function<std::string(const Url&)> authorization_at = {};
  std::optional<std::string> form = {};  // of a POST, encoded
  bool verify_tls = true;
  std::string unix_socket = {};     // connects there, whatever the URL's host
  const TlsFiles* tls = nullptr;    // outlives the request; null: none
  bool client_certificate = false;  // that of `tls` is for this origin
  // False: the body comes as it was sent, whatever its Content-Encoding.
  bool decode = true;
  // A redirect may lead from https to http: what comes is checked by its
  // digest.
  bool may_leave_https = false;
  // More of the same question as HttpOptions::stopped; may be empty.
  std::function<bool()> stopped = {};

  // Makes it the request that is sent to `target` when its own URL leads there.
  Attempt<void> Redirect(Url target);
};

struct HttpResponse {
  int status = 0;
  // Names in lower case.
  std::multimap<std::string, std::string> headers = {};
  std::string body = {};  // of a document, or of an answer that is no success
  Url url;                // that answered
  std::string authorization = {};  // that it got
  bool redirected = false;

  // The first header of this (lower-case) name.
  const std::string* Find(const std::string& name) const;
  bool ok() const { return status >= 200 && status < 300; }
};

// Receives the body of a success as it arrives.
class HttpBody {
 public:
  virtual ~HttpBody() = default;
  // Once, before any byte: an error refuses the body.
  virtual Attempt<void> Begin(const HttpResponse& response) = 0;
  virtual Attempt<void> Write(std::span<const std::byte> bytes) = 0;
};

class HttpClient {
 public:
  explicit HttpClient(HttpOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any HTTP answer is a response; what is no answer is TransportError. A
  // success of more than `limit` bytes is kCorrupt; other bodies are cut.
  Attempt<HttpResponse> Fetch(const HttpRequest& request, size_t limit);
  // A success's body goes to `body` instead.
  Attempt<HttpResponse> Stream(const HttpRequest& request, HttpBody& body);

 private:
  class Transfer;
  struct Handle;

  Attempt<HttpResponse> Send(HttpRequest request, size_t limit, HttpBody* body);

  const HttpOptions options_;
  Mutex mutex_;
  // Most recently used last.
  std::vector<std::unique_ptr<Handle>> idle_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_HTTP_CLIENT_H_
