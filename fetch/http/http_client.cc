// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "fetch/http/tls_alert.h"
#include "meta/text/printable.h"
#include "meta/text/quantities.h"

namespace imgmount {
namespace {

using std::chrono::steady_clock;
using Kind = TransportError::Kind;

constexpr int kMaxRedirects = 10;
constexpr size_t kMaxHeaderBytes = 256 << 10;
// Enough of an error's body to say what it says; the connection is worth
// reading some more.
constexpr size_t kMaxErrorBody = 64 << 10;
constexpr size_t kMaxErrorBodyRead = 1 << 20;
// As good as nothing, as the body of an answer goes: even a link of 10 kB/s
// that several transfers share brings as much in a second.
constexpr size_t kSignOfLife = 1024;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

HeaderList MakeHeaders(const HttpRequest& request) {
  HeaderList list;
  const auto add = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) return;
    (void)list.release();
    list.reset(longer);
  };
  for (const std::string& header : request.headers) add(header);
  for (const std::string& header : request.origin_headers) add(header);
  if (!request.authorization.empty()) {
    add("Authorization: " + request.authorization);
  }
  return list;
}

std::string_view Trim(std::string_view text) {
  const auto is_space = [](char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
  };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

void InitialiseCurlOnce() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)code;
}

// Where its certificates are, or could be, in a file of that name.
std::string PlaceFor(const HttpRequest& request, std::string_view name = "") {
  if (request.tls != nullptr && !request.tls->place.empty()) {
    return request.tls->place;
  }
  return fmt::format("/etc/containers/certs.d/{}/{}", request.url.authority(),
                     name);
}

// Says what a TLS server that refused us wants, and what to do.
std::string WishBehind(TlsRefusal refusal, const HttpRequest& request) {
  const TlsFiles none;
  const TlsFiles& tls = request.tls == nullptr ? none : *request.tls;
  if (request.client_certificate && !tls.client_certificate.empty()) {
    return fmt::format(
        "it does not accept the client's TLS certificate {}; it may have "
        "expired, or be of another CA",
        tls.client_certificate);
  }
  const std::string wish =
      fmt::format("it {} a client's TLS certificate",
                  refusal == TlsRefusal::kOfCertificate ? "wants" : "may want");
  if (!request.client_certificate) {
    return wish + ", and only the registry itself gets one";
  }
  return fmt::format("{}; put {} into {}", wish, tls.client_form,
                     PlaceFor(request));
}

// libcurl tells whom it could not reach, but not that it is a proxy.
bool IsOfProxy(std::string_view detail, const Url& url) {
  std::string_view host = url.host();
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return detail.starts_with("Failed to connect to ") &&
         detail.find(host) == std::string_view::npos;
}

TransportError CurlError(CURLcode code, const HttpRequest& request,
                         std::string_view detail) {
  const Url& url = request.url;
  const auto unavailable = [&](std::string_view what, Kind kind) {
    return TransportError{Error(ErrorCode::kUnavailable,
                                fmt::format("{}: {}", url.authority(), what)),
                          kind};
  };
  const std::string text =
      Printable(detail.empty() ? curl_easy_strerror(code) : detail, 200);
  if (const auto refusal = TlsRefusalIn(detail)) {
    return {Error(ErrorCode::kDenied,
                  fmt::format("{}: {} ({})", url.authority(),
                              WishBehind(*refusal, request), text)),
            Kind::kFinal};
  }
  const std::string see = fmt::format(
      "see {} and ALL_PROXY", url.secure() ? "HTTPS_PROXY" : "HTTP_PROXY");
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return unavailable("no such host, or no network", Kind::kConnect);
    case CURLE_COULDNT_RESOLVE_PROXY:
      return unavailable("cannot resolve the proxy's name (" + see + ")",
                         Kind::kConnect);
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
      if (IsOfProxy(text, url)) {
        return unavailable(
            fmt::format("cannot connect to the proxy ({}; {})", see, text),
            Kind::kConnect);
      }
      return unavailable("cannot connect (" + text + ")", Kind::kConnect);
    case CURLE_PEER_FAILED_VERIFICATION:
      return unavailable(
          fmt::format("its TLS certificate is not trusted ({}); put its CA "
                      "into {}",
                      text, PlaceFor(request, "ca.crt")),
          Kind::kFinal);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return unavailable(
          fmt::format("its certificates in {} cannot be used ({})",
                      PlaceFor(request), text),
          Kind::kFinal);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:  // HTTP/0.9
      return unavailable(text, Kind::kProtocol);
    case CURLE_BAD_CONTENT_ENCODING:
      return {Error(ErrorCode::kCorrupt,
                    fmt::format("{}: its answer's Content-Encoding cannot be "
                                "undone ({})",
                                url.authority(), text)),
              Kind::kFinal};
    case CURLE_PARTIAL_FILE:
      return unavailable("the connection was closed early", Kind::kTransient);
    default:
      return unavailable(text, Kind::kTransient);
  }
}

}  // namespace

struct HttpClient::Handle {
  struct Free {
    void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  };
  struct FreeMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  // Has the connections. Driven by hand, as curl_easy_perform() looks up only
  // once a second.
  std::unique_ptr<CURLM, FreeMulti> multi{curl_multi_init()};
  std::unique_ptr<CURL, Free> curl{curl_easy_init()};
};

// One request and its one answer; no redirects.
class HttpClient::Transfer {
 public:
  Transfer(const HttpOptions& options, const HttpRequest& request, size_t limit,
           HttpBody* body)
      : options_(options), request_(request), limit_(limit), body_(body) {}
  // No request at all, but a handshake of TLS 1.2, for what the server has
  // against it.
  Transfer(const HttpOptions& options, const HttpRequest& request)
      : options_(options), request_(request), only_shakes_hands_(true) {}

  Attempt<HttpResponse> Run(Handle& handle) {
    CURL* const curl = handle.curl.get();
    curl_easy_reset(curl);
    const HeaderList headers = MakeHeaders(request_);
    char detail[CURL_ERROR_SIZE] = "";
    Configure(curl, headers.get(), detail);
    response_.url = request_.url;
    alive_at_ = steady_clock::now();
    const CURLcode code = Perform(handle.multi.get(), curl);
    // The buffers of this call must not be touched by a later one.
    curl_easy_reset(curl);
    if (error_) return tl::unexpected(std::move(*error_));
    undecodable_ = code == CURLE_BAD_CONTENT_ENCODING && !began_;
    hung_up_ = header_bytes_ == 0 &&
               (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
                code == CURLE_GOT_NOTHING);
    if (code != CURLE_OK && !enough_) {
      return tl::unexpected(CurlError(code, request_, detail));
    }
    // An empty body is a body.
    if (streaming() && !began_) {
      if (auto begun = body_->Begin(response_); !begun) {
        return tl::unexpected(std::move(begun).error());
      }
    }
    return std::move(response_);
  }

  // It failed for its Content-Encoding, and nothing was delivered.
  bool undecodable() const { return undecodable_; }
  // The connection ended before anything was answered.
  bool hung_up() const { return hung_up_; }

 private:
  CURLcode Perform(CURLM* multi, CURL* curl) {
    constexpr int kTickMs = 100;
    if (curl_multi_add_handle(multi, curl) != CURLM_OK) {
      return CURLE_FAILED_INIT;
    }
    CURLcode code = CURLE_FAILED_INIT;
    int running = 1;
    while (curl_multi_perform(multi, &running) == CURLM_OK) {
      if (running == 0) {
        int left = 0;
        const CURLMsg* const message = curl_multi_info_read(multi, &left);
        if (message != nullptr) code = message->data.result;
        break;
      }
      if (!Progress() ||
          curl_multi_poll(multi, nullptr, 0, kTickMs, nullptr) != CURLM_OK) {
        break;
      }
    }
    curl_multi_remove_handle(multi, curl);
    return code;
  }

  void Configure(CURL* curl, curl_slist* headers, char* detail) {
    const auto set = [&](CURLoption option, auto value) {
      curl_easy_setopt(curl, option, value);
    };
    set(CURLOPT_URL, request_.url.text().c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_USERAGENT, "imgmount/" IMGMOUNT_VERSION);
    set(CURLOPT_ERRORBUFFER, detail);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    set(CURLOPT_BUFFERSIZE, 512L << 10);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_ACCEPT_ENCODING, "identity");
    set(CURLOPT_HTTP_CONTENT_DECODING, request_.decode ? 1L : 0L);
    set(CURLOPT_CONNECTTIMEOUT_MS,
        static_cast<long>(options_.connect_timeout.count()));
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_SSL_VERIFYPEER, request_.verify_tls ? 1L : 0L);
    set(CURLOPT_SSL_VERIFYHOST, request_.verify_tls ? 2L : 0L);
    if (request_.tls != nullptr) ConfigureTls(curl, *request_.tls);
    if (!options_.http_proxy.empty() && !request_.url.secure()) {
      set(CURLOPT_PROXY, options_.http_proxy.c_str());
    }
    if (!request_.unix_socket.empty()) {
      set(CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
    }
    // A proxy's loopback is not ours.
    if (IsLoopback(request_.url.authority())) set(CURLOPT_NOPROXY, "*");
    if (only_shakes_hands_) {
      set(CURLOPT_CONNECT_ONLY, 1L);
      set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_MAX_TLSv1_2));
    }
    if (request_.method == "HEAD") set(CURLOPT_NOBODY, 1L);
    if (request_.form) {
      set(CURLOPT_POSTFIELDSIZE, static_cast<long>(request_.form->size()));
      set(CURLOPT_POSTFIELDS, request_.form->c_str());
    }
    set(CURLOPT_HEADERFUNCTION, &OnHeader);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &OnBody);
    set(CURLOPT_WRITEDATA, this);
  }

  void ConfigureTls(CURL* curl, const TlsFiles& tls) {
    if (!tls.authorities.empty()) {
      // Takes the place of the bundle; the system's folder of CAs stays.
      curl_blob blob = {const_cast<char*>(tls.authorities.data()),
                        tls.authorities.size(), CURL_BLOB_NOCOPY};
      curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (request_.client_certificate && !tls.client_certificate.empty()) {
      curl_easy_setopt(curl, CURLOPT_SSLCERT, tls.client_certificate.c_str());
      curl_easy_setopt(curl, CURLOPT_SSLKEY, tls.client_key.c_str());
    }
  }

  bool streaming() const { return body_ != nullptr && response_.ok(); }

  static size_t OnHeader(char* data, size_t, size_t size, void* self) {
    return static_cast<Transfer*>(self)->Header({data, size}) ? size : 0;
  }
  static size_t OnBody(char* data, size_t, size_t size, void* self) {
    return static_cast<Transfer*>(self)->Body({data, size}) ? size : 0;
  }

  bool Stop(TransportError error) {
    error_ = std::move(error);
    return false;
  }
  bool Corrupt(std::string_view what) {
    return Stop({Error(ErrorCode::kCorrupt,
                       fmt::format("{}: {}", request_.url.display(), what))});
  }

  bool Header(std::string_view line) {
    // Not for each line: a head that drips is no sign of life.
    if (Trim(line).empty()) alive_at_ = steady_clock::now();
    header_bytes_ += line.size();
    if (header_bytes_ > kMaxHeaderBytes) return Corrupt("too many headers");
    if (line.starts_with("HTTP/")) {
      // After a 100, another block follows and is the one that counts.
      response_.headers.clear();
      response_.status = 0;
      const size_t space = line.find(' ');
      if (space == std::string_view::npos) return true;
      line = Trim(line.substr(space));
      std::from_chars(line.data(), line.data() + line.size(), response_.status);
      return true;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return true;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    response_.headers.emplace(std::move(name), Trim(line.substr(colon + 1)));
    return true;
  }

  bool Body(std::string_view data) {
    const auto came_at = steady_clock::now();
    const bool written = streaming() ? StreamBody(data) : KeepBody(data);
    // Time spent by the receiver is not the server's.
    const auto now = steady_clock::now();
    alive_at_ += now - came_at;
    dripped_ += data.size();
    if (dripped_ >= kSignOfLife) {
      alive_at_ = now;
      dripped_ = 0;
    }
    return written;
  }

  bool StreamBody(std::string_view data) {
    if (!std::exchange(began_, true)) {
      if (auto begun = body_->Begin(response_); !begun) {
        return Stop(std::move(begun).error());
      }
    }
    auto written = body_->Write(std::as_bytes(std::span(data)));
    return written || Stop(std::move(written).error());
  }

  bool KeepBody(std::string_view data) {
    std::string& kept = response_.body;
    if (response_.ok()) {
      if (data.size() > limit_ - kept.size()) {
        return Corrupt(fmt::format("longer than {} bytes", limit_));
      }
      kept.append(data);
      return true;
    }
    if (kept.size() < kMaxErrorBody) {
      kept.append(data.substr(0, kMaxErrorBody - kept.size()));
    }
    error_bytes_ += data.size();
    enough_ = error_bytes_ > kMaxErrorBodyRead;
    return !enough_;
  }

  bool Progress() {
    if ((options_.stopped && options_.stopped()) ||
        (request_.stopped && request_.stopped())) {
      return Stop({Error(ErrorCode::kCancelled, "interrupted"), Kind::kStop});
    }
    if (options_.stall_timeout.count() > 0 &&
        steady_clock::now() - alive_at_ > options_.stall_timeout) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
          options_.stall_timeout);
      const std::string& host = request_.url.authority();
      return Stop(
          {.error = Error(ErrorCode::kUnavailable,
                          fmt::format("{}: {} for {}", host,
                                      dripped_ == 0 ? "nothing arrived"
                                                    : "next to nothing arrived",
                                      Counted(seconds.count(), "second"))),
           .kind = Kind::kTransient,
           .silence = Silence{host, seconds}});
    }
    return true;
  }

  const HttpOptions& options_;
  const HttpRequest& request_;
  const size_t limit_ = 0;
  HttpBody* const body_ = nullptr;
  const bool only_shakes_hands_ = false;
  HttpResponse response_{.url = request_.url};
  std::optional<TransportError> error_;
  bool began_ = false;
  bool undecodable_ = false;
  bool hung_up_ = false;
  bool enough_ = false;  // of an error's body
  size_t header_bytes_ = 0;
  size_t error_bytes_ = 0;
  size_t dripped_ = 0;  // of the body, since alive_at_
  steady_clock::time_point alive_at_;
};

const std::string* HttpResponse::Find(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? nullptr : &found->second;
}

Attempt<void> HttpRequest::Redirect(Url target) {
  if (url.secure() && !target.secure() && !may_leave_https) {
    return FailAttempt(
        Error(ErrorCode::kDenied,
              fmt::format("{}: refused to be sent from https to {} "
                          "(--tls-verify=false, or insecure = true in "
                          "registries.conf, allows that for blobs)",
                          url.authority(), target.display())),
        Kind::kFinal);
  }
  if (target.origin() != url.origin()) {
    authorization = authorization_at ? authorization_at(target) : "";
    origin_headers.clear();
    client_certificate = false;
  }
  url = std::move(target);
  return {};
}

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)) {
  InitialiseCurlOnce();
}

HttpClient::~HttpClient() = default;

Attempt<HttpResponse> HttpClient::Fetch(const HttpRequest& request,
                                        size_t limit) {
  return Send(request, limit, nullptr);
}

Attempt<HttpResponse> HttpClient::Stream(const HttpRequest& request,
                                         HttpBody& body) {
  return Send(request, 0, &body);
}

Attempt<HttpResponse> HttpClient::Send(HttpRequest request, size_t limit,
                                       HttpBody* body) {
  std::unique_ptr<Handle> handle;
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      handle = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!handle) handle = std::make_unique<Handle>();

  const auto send_once = [&]() -> Attempt<HttpResponse> {
    Transfer transfer(options_, request, limit, body);
    auto response = transfer.Run(*handle);
    if (transfer.hung_up() && request.url.secure()) {
      // A TLS 1.3 server refuses a certificate when the request is on its way,
      // and the alert may be lost with the connection.
      Handle fresh;
      auto greeted = Transfer(options_, request).Run(fresh);
      const bool refused =
          !greeted && greeted.error().error.code() == ErrorCode::kDenied;
      return refused ? std::move(greeted) : std::move(response);
    }
    if (!transfer.undecodable() || !request.decode) return response;
    // The header is wrong, or names what is no coding (as "aws-chunked", kept
    // from an upload): let the body speak for itself.
    request.decode = false;
    return Transfer(options_, request, limit, body).Run(*handle);
  };
  const auto send = [&]() -> Attempt<HttpResponse> {
    for (int hops = 0; hops <= kMaxRedirects; ++hops) {
      IMGMOUNT_ATTEMPT(HttpResponse response, send_once());
      response.redirected = hops > 0;
      response.authorization = request.authorization;
      const std::string* location = response.Find("location");
      const int status = response.status;
      const bool redirect = status == 301 || status == 302 || status == 303 ||
                            status == 307 || status == 308;
      if (!redirect || location == nullptr || request.form) return response;

      IMGMOUNT_ATTEMPT(Url target, request.url.Resolve(*location));
      if (auto followed = request.Redirect(std::move(target)); !followed) {
        return tl::unexpected(std::move(followed).error());
      }
    }
    return FailAttempt(
        Error(ErrorCode::kUnavailable,
              fmt::format("{}: more than {} redirects", request.url.authority(),
                          kMaxRedirects)),
        Kind::kFinal);
  };
  Attempt<HttpResponse> response = send();

  const MutexLock lock(mutex_);
  idle_.push_back(std::move(handle));
  return response;
}

}  // namespace imgmount
