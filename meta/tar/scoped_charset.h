// SPDX-License-Identifier: Apache-2.0
// ScopedCharset: the character set by which libarchive reads and writes names,
// in this thread and for as long as this lives.
#ifndef IMGMOUNT_META_TAR_SCOPED_CHARSET_H_
#define IMGMOUNT_META_TAR_SCOPED_CHARSET_H_

#include <locale.h>

namespace imgmount {

class ScopedCharset {
 public:
  // The name of a locale: "C", "C.UTF-8". Where there is none such, nothing
  // changes.
  explicit ScopedCharset(const char* locale)
      : locale_(::newlocale(LC_CTYPE_MASK, locale, nullptr)),
        before_(::uselocale(locale_)) {}
  ~ScopedCharset() {
    ::uselocale(before_);
    if (locale_ != nullptr) ::freelocale(locale_);
  }
  ScopedCharset(const ScopedCharset&) = delete;
  ScopedCharset& operator=(const ScopedCharset&) = delete;

 private:
  locale_t locale_;
  locale_t before_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_TAR_SCOPED_CHARSET_H_
