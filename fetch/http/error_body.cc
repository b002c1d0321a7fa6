// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/error_body.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "fetch/http/content_range.h"
#include "meta/image/json.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

using Json = nlohmann::json;
using Kind = TransportError::Kind;

constexpr size_t kMaxDocument = 64 << 10;
constexpr size_t kMaxMessage = 300;

// Seconds, or a date.
std::optional<int> RetryAfter(const HttpResponse& response) {
  const std::string* value = response.Find("retry-after");
  if (value == nullptr) return {};
  if (const auto seconds = ParseDecimal(*value)) {
    return static_cast<int>(std::min<uint64_t>(*seconds, 1 << 30));
  }
  const std::time_t date = curl_getdate(value->c_str(), nullptr);
  if (date < 0) return {};
  return static_cast<int>(
      std::clamp<std::time_t>(date - std::time(nullptr), 0, 1 << 30));
}

// The title of a web page, as proxies answer: "400 No required SSL certificate
// was sent" without its number. "" if there is none.
std::string TitleOf(std::string_view page) {
  constexpr std::string_view kOpening = "<title>";
  const size_t start = page.find(kOpening);
  if (start == std::string_view::npos) return "";
  std::string_view title = page.substr(start + kOpening.size());
  title = title.substr(0, title.find('<'));
  title.remove_prefix(
      std::min(title.find_first_not_of("0123456789 \r\n\t"), title.size()));
  return Printable(title, kMaxMessage);
}

TransportError MakeError(const HttpResponse& response, ErrorCode code,
                         Kind kind, const std::string& text) {
  const std::string words = InParentheses(RegistryMessage(response));
  return {Error(code, text + words), kind, RetryAfter(response),
          response.status};
}

}  // namespace

std::string LoginCommand(const std::string& registry) {
  return registry == "docker.io" ? "docker login" : "docker login " + registry;
}

std::string RegistryMessage(const HttpResponse& response) {
  const std::string* type = response.Find("content-type");
  return RegistryMessage(response.body, type == nullptr ? "" : *type);
}

std::string RegistryMessage(std::string_view body,
                            std::string_view media_type) {
  const Json document = ParseJson(body, "error", kMaxDocument).value_or(Json());
  if (!document.is_object() && media_type.starts_with("text/plain")) {
    return Printable(body.substr(0, body.find_first_of("\r\n")), kMaxMessage);
  }
  if (!document.is_object() && media_type.starts_with("text/html")) {
    return TitleOf(body);
  }
  const Json* error = &document;
  if (document.is_object() && document.contains("errors") &&
      document["errors"].is_array() && !document["errors"].empty()) {
    error = &document["errors"][0];
  }
  // Token servers answer {"details": …} or {"message": …} as well.
  for (const char* key : {"message", "details", "error_description", "code"}) {
    const std::string text = StringMember(*error, key).value_or("");
    if (!text.empty()) return Printable(text, kMaxMessage);
  }
  return "";
}

std::string InParentheses(const std::string& text) {
  return text.empty() ? "" : " (" + text + ")";
}

TransportError StorageError(const HttpResponse& response,
                            const std::string& registry,
                            const std::string& what) {
  return MakeError(
      response, ErrorCode::kUnavailable, Kind::kTransient,
      fmt::format("{}, where {} sent us for {}, answered {}",
                  response.url.authority(), registry, what, response.status));
}

TransportError StatusError(const HttpResponse& response,
                           const std::string& registry,
                           const std::string& what) {
  const auto error = [&](ErrorCode code, Kind kind, const std::string& text) {
    return MakeError(response, code, kind, text);
  };
  const int status = response.status;
  switch (status) {
    case 401:
      return error(
          ErrorCode::kDenied, Kind::kFinal,
          fmt::format("{}: access to {} denied: it does not exist or may "
                      "require `{}`",
                      registry, what, LoginCommand(registry)));
    case 403:
      return error(ErrorCode::kDenied, Kind::kFinal,
                   fmt::format("{}: access to {} denied; log in with `{}`",
                               registry, what, LoginCommand(registry)));
    case 404:
      return error(ErrorCode::kNotFound, Kind::kFinal,
                   fmt::format("{} does not have {}", registry, what));
    case 429:
      return error(ErrorCode::kUnavailable, Kind::kTransient,
                   registry + ": too many requests; log in or try later");
    default: {
      const bool passing = status >= 500 || status == 408;
      return error(passing ? ErrorCode::kUnavailable : ErrorCode::kUnsupported,
                   passing ? Kind::kTransient : Kind::kFinal,
                   fmt::format("{}: answered {} when asked for {}", registry,
                               status, what));
    }
  }
}

}  // namespace imgmount
