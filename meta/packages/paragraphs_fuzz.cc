// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any text as dpkg's or apk's database. Whatever packages come of
// it have a name, and are told in words that stand in the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "meta/packages/paragraphs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto parse :
       {imgmount::ParseDpkgStatus, imgmount::ParseApkInstalled}) {
    for (const imgmount::Package& package : parse(text)) {
      if (package.name.empty()) std::abort();
      for (const std::string& word :
           {package.name, package.version, package.architecture}) {
        if (text.find(word) == std::string_view::npos) std::abort();
      }
    }
  }
  return 0;
}
