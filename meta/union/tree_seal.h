// SPDX-License-Identifier: Apache-2.0
// For tests and fuzzing: makes the checksums of a tree file right again after
// its bytes were changed, so that what lies behind them is reached.
#ifndef IMGMOUNT_META_UNION_TREE_SEAL_H_
#define IMGMOUNT_META_UNION_TREE_SEAL_H_

#include <string>

namespace imgmount::testing {

// Also sets magic, version and data size, and cuts or pads what does not come
// out even. Sections and counts stay as they are.
void SealTree(std::string& file);

}  // namespace imgmount::testing

#endif  // IMGMOUNT_META_UNION_TREE_SEAL_H_
