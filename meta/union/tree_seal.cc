// SPDX-License-Identifier: Apache-2.0
#include "meta/union/tree_seal.h"

#include <algorithm>
#include <cstring>

#include "meta/base/wire.h"
#include "meta/base/xxh3.h"
#include "meta/union/tree_format.h"

namespace imgmount::testing {

void SealTree(std::string& file) {
  file.resize(std::max(file.size(), kTreeHeaderBytes));
  const size_t rest = file.size() - kTreeHeaderBytes;
  const size_t blocks = (rest + kTreeBlockBytes + 7) / (kTreeBlockBytes + 8);
  size_t data = rest - std::min(rest, blocks * 8);
  file.resize(kTreeHeaderBytes + data);

  std::string table;
  for (size_t start = 0; start < data; start += kTreeBlockBytes) {
    AppendWire(table,
               uint64_t{XXH3_64bits(file.data() + kTreeHeaderBytes + start,
                                    std::min(kTreeBlockBytes, data - start))});
  }
  TreeHeader header;
  std::memcpy(&header, file.data(), sizeof header);
  header.magic = kTreeMagic;
  header.version = kTreeVersion;
  header.data_bytes = data;
  header.table_checksum = XXH3_64bits(table.data(), table.size());
  std::memcpy(file.data(), &header, sizeof header);
  constexpr size_t kSummed = kTreeHeaderBytes - sizeof(uint64_t);
  const uint64_t checksum = XXH3_64bits(file.data(), kSummed);
  std::memcpy(file.data() + kSummed, &checksum, sizeof checksum);
  file += table;
}

}  // namespace imgmount::testing
