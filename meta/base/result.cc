// SPDX-License-Identifier: Apache-2.0
#include "meta/base/result.h"

#include <cerrno>
#include <system_error>

namespace imgmount {

Error Error::In(std::string_view context) && {
  if (code_ == ErrorCode::kCancelled) return std::move(*this);
  message_.insert(0, ": ").insert(0, context);
  return std::move(*this);
}

Error Error::In(std::string_view context) const& {
  return Error(*this).In(context);
}

Failure Fail(ErrorCode code, std::string message) {
  return Failure(Error(code, std::move(message)));
}

Failure FailErrno(std::string_view what, int error_number) {
  std::string message(what);
  message += ": ";
  message += std::generic_category().message(error_number);
  if (error_number == ENOSPC || error_number == EDQUOT) {
    message +=
        "; free some space (in the cache: imgcache prune), or have the "
        "cache elsewhere with --cache-dir";
  }
  const ErrorCode code =
      error_number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return Failure(Error(code, std::move(message), error_number));
}

int ExitStatus(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kNotFound:
      return 1;
    case ErrorCode::kIo:
      return 2;
    case ErrorCode::kUnavailable:
      return 3;
    case ErrorCode::kDenied:
      return 4;
    case ErrorCode::kCorrupt:
      return 5;
    case ErrorCode::kUnsupported:
      return 6;
    case ErrorCode::kMount:
      return 32;
    case ErrorCode::kUsage:
      return 64;
    case ErrorCode::kInternal:
      return 70;
    case ErrorCode::kCancelled:
      return 130;
  }
  return 70;
}

int ToErrno(const Error& error) {
  if (error.error_number() != 0) return error.error_number();
  switch (error.code()) {
    case ErrorCode::kNotFound:
      return ENOENT;
    case ErrorCode::kUsage:
      return EINVAL;
    case ErrorCode::kUnsupported:
      return ENOTSUP;
    case ErrorCode::kCancelled:
      return EINTR;
    default:
      return EIO;
  }
}

}  // namespace imgmount
