// Trouble: why one attempt over the network failed, and whether another may
// help. What a caller gives up on becomes a plain Error.
#ifndef IMGMOUNT_FETCH_HTTP_TROUBLE_H_
#define IMGMOUNT_FETCH_HTTP_TROUBLE_H_

#include <optional>
#include <tl/expected.hpp>
#include <utility>

#include "meta/base/result.h"

namespace imgmount {

struct Trouble {
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
};

template <typename T>
using Attempt = tl::expected<T, Trouble>;

inline tl::unexpected<Trouble> Give(Error error, Trouble::Kind kind) {
  return tl::unexpected<Trouble>(Trouble{std::move(error), kind});
}

}  // namespace imgmount

// IMGMOUNT_TRY for functions that return Attempt<T>: the Error of a Result
// becomes a final Trouble, a Trouble is passed on.
namespace imgmount::internal {
inline tl::unexpected<Trouble> AsTrouble(Error error) {
  return Give(std::move(error), Trouble::Kind::kFinal);
}
inline tl::unexpected<Trouble> AsTrouble(Trouble trouble) {
  return tl::unexpected<Trouble>(std::move(trouble));
}
}  // namespace imgmount::internal

#define IMGMOUNT_ATTEMPT_(tmp, decl, expr)                                  \
  auto tmp = (expr);                                                        \
  if (!tmp) return ::imgmount::internal::AsTrouble(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define IMGMOUNT_ATTEMPT(decl, expr) \
  IMGMOUNT_ATTEMPT_(IMGMOUNT_CONCAT(attempt_, __LINE__), decl, expr)

#endif  // IMGMOUNT_FETCH_HTTP_TROUBLE_H_
