// SPDX-License-Identifier: Apache-2.0
// TreeReader: bytes of files of a UnionTree, at random, through spans.
//
// extent -> span -> decoded, verified bytes. Thread-safe. Readers that share a
// ReadBudget share decoded spans, as far as they are of the same layers.
#ifndef IMGMOUNT_FS_READ_TREE_READER_H_
#define IMGMOUNT_FS_READ_TREE_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "fs/file_bytes.h"
#include "fs/log.h"
#include "fs/prefetch.h"
#include "fs/read/access_profiles.h"
#include "fs/read/read_budget.h"
#include "meta/base/result.h"
#include "meta/layer/opened_layer.h"
#include "meta/layer/span_cuts.h"
#include "meta/union/union_tree.h"

namespace imgmount {

struct TreeReaderOptions {
  std::shared_ptr<ReadBudget> budget = nullptr;  // null: one of its own
  int decode_ahead_spans = 2;                    // how far
  bool lazy = false;  // some layers' bytes may have to be waited for
  AccessProfilesOptions profiles = {};  // without `save` there are none
  // Lets a layer's spans begin where these runs of its tar do, for the next
  // mount (span_cuts.h); called by threads that have time.
  std::function<void(LayerPosition, std::span<const TarRun>)> cut = nullptr;
  // Told of each span or layer that cannot be read, once.
  Log log = {};
};

class TreeReader : public Prefetch {
 public:
  // Layers are opened lazily, by position, with this; called at most once per
  // layer at a time, from any thread.
  using LayerOpener = std::function<Result<OpenedLayer>(LayerPosition)>;
  // `tree` outlives the reader.
  static std::unique_ptr<TreeReader> Make(const UnionTree& tree,
                                          LayerOpener opener,
                                          TreeReaderOptions options = {});

  // Up to `length` bytes from `offset` of a regular file, without a copy;
  // fewer only at its end.
  virtual Result<FileBytes> View(Ino ino, uint64_t offset, size_t length) = 0;
  // Whether View() would wait for the network: see FileSystem::Await().
  virtual std::unique_ptr<BlobWait> Await(
      Ino ino, uint64_t offset, size_t length,
      const BlobSource::Arrived& arrived) = 0;
  // Whether View() would find all of it decoded.
  virtual bool HasDecoded(Ino ino, uint64_t offset, size_t length) = 0;

  // Fills `out` from `offset` of a regular file; short only at its end.
  Result<size_t> Read(Ino ino, uint64_t offset, std::span<std::byte> out);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_READ_TREE_READER_H_
