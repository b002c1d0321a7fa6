// SPDX-License-Identifier: Apache-2.0
// A registry's own words in an error answer.
#ifndef IMGMOUNT_FETCH_HTTP_ERROR_BODY_H_
#define IMGMOUNT_FETCH_HTTP_ERROR_BODY_H_

#include <string>
#include <string_view>

#include "fetch/http/http_client.h"
#include "fetch/http/transport_error.h"

namespace imgmount {

// The words of an answer: the message of a distribution-spec error
// document, the first line of plain text, or a web page's title; printable and
// short. "" for anything else.
std::string RegistryMessage(std::string_view body,
                            std::string_view media_type = "");
std::string RegistryMessage(const HttpResponse& response);

// "docker login", with the registry's name where Docker wants it.
std::string LoginCommand(const std::string& registry);

// " (text)", or nothing for no text.
std::string InParentheses(const std::string& text);

// The error that an answer without success stands for. `what` was asked of
// `registry`: "library/nginx:latest".
TransportError StatusError(const HttpResponse& response,
                           const std::string& registry,
                           const std::string& what);

// The same for a storage server, where `registry` sent us: its signed address
// may have expired, and the registry will give a new one.
TransportError StorageError(const HttpResponse& response,
                            const std::string& registry,
                            const std::string& what);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_ERROR_BODY_H_
