// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

namespace imgmount {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, FreeUrl>;

std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

}  // namespace

Result<Url> Url::FromHandle(void* handle) {
  auto* parts = static_cast<CURLU*>(handle);
  Url url;
  const std::string scheme = Part(parts, CURLUPART_SCHEME);
  url.host_ = Part(parts, CURLUPART_HOST);
  if (scheme != "http" && scheme != "https") {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{}: only http and https are spoken", scheme));
  }
  if (!Part(parts, CURLUPART_USER).empty() ||
      !Part(parts, CURLUPART_PASSWORD).empty()) {
    return Fail(ErrorCode::kUnsupported,
                url.host_ + ": a URL with a user name is refused");
  }
  url.secure_ = scheme == "https";
  url.text_ = Part(parts, CURLUPART_URL);
  url.origin_ = fmt::format("{}://{}:{}", scheme, url.host_,
                            Part(parts, CURLUPART_PORT, CURLU_DEFAULT_PORT));
  const std::string port = Part(parts, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  url.authority_ = url.host_ + (port.empty() ? "" : ":") + port;
  url.path_ = Part(parts, CURLUPART_PATH);
  url.display_ = fmt::format("{}://{}{}", scheme, url.authority_, url.path_);
  return url;
}

Result<Url> Url::Parse(const std::string& text) {
  const UrlHandle parts(curl_url());
  const CURLUcode code = curl_url_set(parts.get(), CURLUPART_URL, text.c_str(),
                                      CURLU_NON_SUPPORT_SCHEME);
  if (code != CURLUE_OK) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("malformed URL ({})", curl_url_strerror(code)));
  }
  return FromHandle(parts.get());
}

Result<Url> Url::Resolve(const std::string& location) const {
  const UrlHandle parts(curl_url());
  if (curl_url_set(parts.get(), CURLUPART_URL, text_.c_str(), 0) != CURLUE_OK ||
      curl_url_set(parts.get(), CURLUPART_URL, location.c_str(),
                   CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return Fail(ErrorCode::kCorrupt,
                display_ + ": redirects to something that is no URL");
  }
  return FromHandle(parts.get());
}

bool IsLoopback(std::string_view host) {
  if (host.starts_with('[')) {
    return host.substr(0, host.find(']') + 1) == "[::1]";
  }
  const std::string name(host.substr(0, host.rfind(':')));
  if (name == "localhost") return true;
  in_addr address = {};
  return ::inet_pton(AF_INET, name.c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == 127;
}

}  // namespace imgmount
