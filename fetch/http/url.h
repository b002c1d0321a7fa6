// SPDX-License-Identifier: Apache-2.0
// Url: an absolute http or https URL, parsed by libcurl.
#ifndef IMGMOUNT_FETCH_HTTP_URL_H_
#define IMGMOUNT_FETCH_HTTP_URL_H_

#include <string>
#include <string_view>

#include "meta/base/result.h"

namespace imgmount {

class Url {
 public:
  // Refuses other schemes and names or passwords within the URL.
  static Result<Url> Parse(const std::string& text);
  // The URL that a Location header in this one's answer means.
  Result<Url> Resolve(const std::string& location) const;

  const std::string& text() const { return text_; }
  const std::string& host() const { return host_; }  // "[::1]" in brackets
  const std::string& path() const { return path_; }
  // "registry.example.com", "localhost:5000": for messages.
  const std::string& authority() const { return authority_; }
  bool secure() const { return secure_; }
  // Scheme, host and port: what a credential belongs to.
  const std::string& origin() const { return origin_; }
  // For messages: without the query, where signatures stand.
  const std::string& display() const { return display_; }

 private:
  Url() = default;
  static Result<Url> FromHandle(void* handle);

  std::string text_;
  std::string host_;
  std::string path_;
  std::string authority_;
  std::string origin_;
  std::string display_;
  bool secure_ = true;
};

// "localhost", 127.0.0.0/8 or ::1, with or without a port behind.
bool IsLoopback(std::string_view host_and_port);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_URL_H_
