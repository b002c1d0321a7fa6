// SPDX-License-Identifier: Apache-2.0
// What a registry says when it says no.
#ifndef IMGMOUNT_FETCH_HTTP_ERROR_BODY_H_
#define IMGMOUNT_FETCH_HTTP_ERROR_BODY_H_

#include <string>
#include <string_view>

#include "fetch/http/http_client.h"
#include "fetch/http/transport_error.h"

namespace imgmount {

// The message of a distribution-spec error document, printable and short; ""
// for anything else.
std::string RegistryMessage(std::string_view body);

// "docker login", with the registry's name where Docker wants it.
std::string LoginCommand(const std::string& registry);

// " (text)", or nothing for no text.
std::string InParentheses(const std::string& text);

// The error that an answer without success stands for. `what` was asked of
// `registry`: "library/nginx:latest".
TransportError StatusError(const HttpResponse& response,
                           const std::string& registry,
                           const std::string& what);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_ERROR_BODY_H_
