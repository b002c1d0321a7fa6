// SPDX-License-Identifier: Apache-2.0
// --explain: where an image would come from, and why, without any request.
#ifndef IMGMOUNT_FETCH_FIND_EXPLAIN_H_
#define IMGMOUNT_FETCH_FIND_EXPLAIN_H_

#include <string>

#include "fetch/find/fetch_config.h"
#include "meta/base/result.h"

namespace imgmount {

// Lines of text: what the name stands for, whether the cache has it, and of
// every endpoint in turn the address, the login (its file and key, never its
// value), the certificates and the proxy, each with what decided it.
Result<std::string> ExplainImage(const std::string& text,
                                 const FetchConfig& config);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_EXPLAIN_H_
