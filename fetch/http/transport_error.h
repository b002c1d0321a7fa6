// SPDX-License-Identifier: Apache-2.0
// TransportError: why one attempt over the network failed, and whether another
// may help. What a caller gives up on becomes a plain Error.
#ifndef IMGMOUNT_FETCH_HTTP_TRANSPORT_ERROR_H_
#define IMGMOUNT_FETCH_HTTP_TRANSPORT_ERROR_H_

#include <chrono>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "meta/base/result.h"

namespace imgmount {

// A host that sent nothing for so long.
struct Silence {
  std::string host;
  std::chrono::seconds time;
};

struct TransportError {
  enum class Kind {
    kFinal,      // the next attempt would end the same way
    kTransient,  // the server or the way to it had a bad moment
    kConnect,    // nobody was reached: a bad moment, or a wrong name
    kProtocol,   // something answered, but not in the scheme we spoke
    kStop,       // it is not the server: interrupted, or nowhere to write
  };
  Error error;
  Kind kind = Kind::kFinal;
  std::optional<int> retry_after = std::nullopt;  // seconds
  int status = 0;  // of the HTTP answer that it stands for; 0: there was none
  std::optional<Silence> silence = std::nullopt;  // if that was it
};

template <typename T>
using Attempt = tl::expected<T, TransportError>;

inline tl::unexpected<TransportError> FailAttempt(Error error,
                                                  TransportError::Kind kind) {
  return tl::unexpected<TransportError>(TransportError{std::move(error), kind});
}

}  // namespace imgmount

// IMGMOUNT_TRY for functions that return Attempt<T>: the Error of a Result
// becomes a final TransportError, a TransportError is passed on.
namespace imgmount::internal {
inline tl::unexpected<TransportError> AsTransportError(Error error) {
  return FailAttempt(std::move(error), TransportError::Kind::kFinal);
}
inline tl::unexpected<TransportError> AsTransportError(TransportError error) {
  return tl::unexpected<TransportError>(std::move(error));
}
}  // namespace imgmount::internal

#define IMGMOUNT_ATTEMPT_(tmp, decl, expr)                                 \
  auto tmp = (expr);                                                       \
  if (!tmp)                                                                \
    return ::imgmount::internal::AsTransportError(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define IMGMOUNT_ATTEMPT(decl, expr) \
  IMGMOUNT_ATTEMPT_(IMGMOUNT_CONCAT(attempt_, __LINE__), decl, expr)

#endif  // IMGMOUNT_FETCH_HTTP_TRANSPORT_ERROR_H_
