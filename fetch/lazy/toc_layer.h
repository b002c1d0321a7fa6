// SPDX-License-Identifier: Apache-2.0
// TocLayer: a layer that can be shown by its table of contents, before its
// bytes are here.
//
// The TOC becomes a layer index and a chunk table in the layer's own folder of
// the cache:
//
//   imgmount/layers/<layer>/toc-<identity>/{index,chunks}
//   imgmount/layers/<layer>/toc-<identity>/wrong  where it lies, if it does
//
// <identity> is a hash of the layer's digest and of what vouches for the TOC
// (TocIdentity), so no other image's annotations reach these files.
#ifndef IMGMOUNT_FETCH_LAZY_TOC_LAYER_H_
#define IMGMOUNT_FETCH_LAZY_TOC_LAYER_H_

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "meta/base/digest.h"
#include "meta/base/result.h"
#include "meta/image/manifest.h"
#include "meta/layer/blob_source.h"
#include "meta/layer/span_table.h"
#include "meta/store/cache.h"
#include "meta/tar/layer_index.h"
#include "meta/toc/toc_location.h"

namespace imgmount {

class TocLayer {
 public:
  // nullopt where the descriptor names no TOC, or none that can be used.
  static std::optional<TocLayer> Find(const Cache& cache,
                                      const Descriptor& layer);

  // Names the layer as this TOC describes it.
  const Digest& identity() const { return identity_; }

  // Both files are here (not whether intact).
  bool IsIndexed() const;
  // Reads the TOC out of the blob, verifies it and writes the files. An error
  // that is kUnsupported or kCorrupt means that the layer can only be pulled
  // as a whole.
  Status MakeIndex(BlobSource& blob) const;

  // kNotFound or kCorrupt: MakeIndex() is needed.
  Result<LayerIndex> LoadIndex() const;
  Result<std::unique_ptr<SpanTable>> OpenChunks() const;

  // kCorrupt once it was marked wrong, with the reason.
  Status CheckTrusted() const;
  // It says other than the layer's tar: nobody Find()s it any more, and
  // imgcache verify tells.
  Status MarkWrong(const std::string& why) const;

 private:
  TocLayer(TocClaim claim, Digest identity, std::filesystem::path folder)
      : claim_(std::move(claim)),
        identity_(std::move(identity)),
        folder_(std::move(folder)) {}

  TocClaim claim_;
  Digest identity_;
  std::filesystem::path folder_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_LAZY_TOC_LAYER_H_
