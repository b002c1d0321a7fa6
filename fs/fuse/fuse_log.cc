// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse/fuse_log.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include "fs/fuse/fuse_api.h"

namespace imgmount {
namespace {

thread_local const Log* current = nullptr;

void Write(fuse_log_level /*level*/, const char* format, va_list arguments) {
  if (current == nullptr) {
    std::vfprintf(stderr, format, arguments);
    return;
  }
  char text[512];
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  if (length <= 0) return;
  std::string_view line(text,
                        std::min(static_cast<size_t>(length), sizeof text - 1));
  while (line.ends_with('\n')) line.remove_suffix(1);
  LogTo(*current, line);
}

}  // namespace

FuseLogScope::FuseLogScope(const Log& log)
    : before_(std::exchange(current, &log)) {
  static const bool set = [] {
    ::fuse_set_log_func(Write);
    return true;
  }();
  (void)set;
}

FuseLogScope::~FuseLogScope() { current = before_; }

}  // namespace imgmount
