// SPDX-License-Identifier: Apache-2.0
// The one error type of imgmount.
//
// A function that can fail returns Result<T>. An Error has a code out of a
// short list, the errno where there was one, and a message that names the
// thing and says what to do. Messages are one line, start in lower case, end
// without a full stop, and never hold a credential. The tool that reports one
// puts its own name in front: "imgmount: <message>".
//
// Exceptions of libraries stop at the call that raised them.
#ifndef IMGMOUNT_META_BASE_RESULT_H_
#define IMGMOUNT_META_BASE_RESULT_H_

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace imgmount {

enum class ErrorCode {
  kUsage,        // the command line or a reference is malformed
  kNotFound,     // no such image, tag, platform, layer, file
  kUnavailable,  // the network or the registry does not answer; may pass
  kDenied,       // authentication or authorization failed
  kCorrupt,      // bytes are not what they claim: digest, size, syntax
  kUnsupported,  // well-formed, but nothing we (or anyone here) can do with it
  kMount,        // mounting failed: mount point, /dev/fuse, permissions
  kIo,           // the local system refused: disk full, permissions, I/O error
  kCancelled,    // interrupted by the user
  kInternal,     // a bug of ours
};

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message, int error_number = 0)
      : code_(code), errno_(error_number), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  // 0 where no system call was involved.
  int error_number() const { return errno_; }
  const std::string& message() const { return message_; }

  // With "context: " in front of the message, but for an interruption.
  Error In(std::string_view context) &&;
  Error In(std::string_view context) const&;

 private:
  ErrorCode code_;
  int errno_;
  std::string message_;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

using Failure = tl::unexpected<Error>;

// return Fail(ErrorCode::kNotFound, "...");
Failure Fail(ErrorCode code, std::string message);

// An error of a system call: kIo, or kCorrupt/kNotFound where the errno says
// so; the message is "<what>: <strerror>" and, for a full disk, what to do.
Failure FailErrno(std::string_view what, int error_number);

// The exit status of a tool that ends with this error. The table is part of
// the interface and stands in the README:
//   0 success   1 not found   2 local system (disk, permissions)
//   3 network or registry unavailable   4 login or permission refused
//   5 wrong bytes   6 unsupported   32 mount failed (as mount(8))
//   64 usage   70 internal   130 interrupted
int ExitStatus(const Error& error);

// The errno a FUSE operation answers with; never 0.
int ToErrno(const Error& error);

}  // namespace imgmount

// Unwraps a Result or returns its error from the enclosing function:
//   IMGMOUNT_TRY(auto manifest, ParseManifest(text));
//   IMGMOUNT_CHECK(file.Sync());
#define IMGMOUNT_CONCAT_(a, b) a##b
#define IMGMOUNT_CONCAT(a, b) IMGMOUNT_CONCAT_(a, b)
#define IMGMOUNT_TRY_(tmp, decl, expr)                          \
  auto tmp = (expr);                                            \
  if (!tmp) return ::imgmount::Failure(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define IMGMOUNT_TRY(decl, expr) \
  IMGMOUNT_TRY_(IMGMOUNT_CONCAT(try_result_, __LINE__), decl, expr)
#define IMGMOUNT_CHECK(expr)                                       \
  do {                                                             \
    auto check_result = (expr);                                    \
    if (!check_result)                                             \
      return ::imgmount::Failure(std::move(check_result).error()); \
  } while (false)

#endif  // IMGMOUNT_META_BASE_RESULT_H_
