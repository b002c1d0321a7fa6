// TreeReader: bytes of files of a UnionTree, at random, through spans.
//
// extent -> span -> decoded, verified bytes. Thread-safe; one SpanCache is
// shared by all layers and threads, and bounds the memory.
#ifndef IMGMOUNT_FS_TREE_READER_H_
#define IMGMOUNT_FS_TREE_READER_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "fs/starts.h"
#include "meta/base/result.h"
#include "meta/layer/span_cuts.h"
#include "meta/store/layer_store.h"
#include "meta/union/union_tree.h"

namespace imgmount {

struct TreeReaderOptions {
  // Decoded spans kept: most of what a program like Python reads as it starts.
  size_t cache_bytes = 96 << 20;
  int decode_ahead_threads = 2;  // 0: none
  int decode_ahead_spans = 2;    // how far
  StartsOptions starts = {};     // without `save` none are looked for
  // Lets a layer's spans begin where these runs of its tar do, for the next
  // mount (span_cuts.h); called by threads that have time.
  std::function<void(LayerPosition, std::span<const TarRun>)> cut = nullptr;
  // Told of each span or layer that cannot be read, once.
  std::function<void(std::string_view line)> log = nullptr;
};

// A part of a file, as the pieces it lies in; zeros for holes. The bytes stay
// where they are while this lives. The reader outlives it.
struct FileBytes {
  std::vector<std::span<const std::byte>> pieces;
  std::vector<std::shared_ptr<const void>> pins;
  size_t size = 0;         // of all pieces
  uint64_t file_size = 0;  // of the whole file
};

// Bytes [offset, offset + length) of a file.
struct FilePart {
  Ino ino;
  uint64_t offset = 0;
  size_t length = 0;
  auto operator<=>(const FilePart&) const = default;
};

class TreeReader {
 public:
  virtual ~TreeReader() = default;

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
  // Whether View() would find all of it decoded.
  virtual bool HasDecoded(Ino ino, uint64_t offset, size_t length) = 0;

  // The same for the kernel's page cache, where nobody asked for it: only what
  // is decoded already, else nothing.
  virtual Result<FileBytes> ViewDecoded(const FilePart& part) = 0;
  // It is in the kernel's page cache now.
  virtual void OnStored(const FilePart& part) = 0;
  // Told of how the tree is used; from other threads.
  struct Listener {
    // What a program that starts will read next, once it is decoded.
    std::function<void(const FilePart&)> on_foreseen;
    // Somebody reads on and on (true), and no more (false).
    std::function<void(bool)> on_walk;
  };
  // Replaces the one before, which is not told of anything any more. False:
  // nothing is looked for.
  virtual bool SetListener(Listener listener) = 0;

  // Fills `out` from `offset` of a regular file; short only at its end.
  Result<size_t> Read(Ino ino, uint64_t offset, std::span<std::byte> out);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FS_TREE_READER_H_
