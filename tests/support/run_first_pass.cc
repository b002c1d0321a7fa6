// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/support/tar_builder.h"

namespace imgmount::testing {

Result<FirstPassResult> RunFirstPass(std::string_view blob,
                                     FirstPassOptions options, size_t step) {
  IMGMOUNT_TRY(auto pass, FirstPass::Start(std::move(options)));
  while (!blob.empty()) {
    const std::string_view piece = blob.substr(0, step);
    pass->Write(std::as_bytes(std::span(piece)));
    blob.remove_prefix(piece.size());
  }
  return pass->Finish();
}

}  // namespace imgmount::testing
