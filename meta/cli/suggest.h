// SPDX-License-Identifier: Apache-2.0
// Suggests what somebody may have meant by a word that nothing is called.
#ifndef IMGMOUNT_META_CLI_SUGGEST_H_
#define IMGMOUNT_META_CLI_SUGGEST_H_

#include <string>
#include <string_view>
#include <vector>

namespace imgmount {

// The candidate with the fewest typing errors to `word` (a letter too many,
// missing, wrong, or two swapped); "" where none is close: more than one error
// for three letters of the last component, as long paths that begin alike are
// not alike.
std::string Closest(std::string_view word,
                    const std::vector<std::string>& candidates);

// "; did you mean X?" or "", to go behind a message.
std::string DidYouMean(std::string_view word,
                       const std::vector<std::string>& candidates);

}  // namespace imgmount

#endif  // IMGMOUNT_META_CLI_SUGGEST_H_
