// What a registry says when it says no.
#ifndef IMGMOUNT_FETCH_REGISTRY_ERROR_BODY_H_
#define IMGMOUNT_FETCH_REGISTRY_ERROR_BODY_H_

#include <string>
#include <string_view>

#include "fetch/http/http_client.h"
#include "fetch/http/trouble.h"

namespace imgmount {

// The message of a distribution-spec error document, printable and short; ""
// for anything else.
std::string RegistryMessage(std::string_view body);

// " (text)", or nothing for no text.
std::string InParentheses(const std::string& text);

// The trouble that an answer without success stands for. `what` was asked of
// `registry`: "library/nginx:latest".
Trouble StatusTrouble(const HttpResponse& response, const std::string& registry,
                      const std::string& what);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_REGISTRY_ERROR_BODY_H_
