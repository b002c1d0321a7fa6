// SPDX-License-Identifier: Apache-2.0
// Whatever the text: an error, or a reference that its own forms name.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "meta/image/layer_suffix.h"
#include "meta/image/platform.h"
#include "meta/image/reference.h"

using imgmount::Platform;
using imgmount::Reference;

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto reference = Reference::Parse(text)) {
    Check(Reference::Parse(reference->Canonical()) == *reference);
    Check(Reference::Parse(reference->Familiar()) == *reference);
  }
  if (const auto platform = Platform::Parse(text)) {
    Check(Platform::Parse(platform->Text()) == *platform);
    Check(platform->Match(*platform) > 0);
  }
  (void)imgmount::ParseLayerSuffix(text);
  return 0;
}
