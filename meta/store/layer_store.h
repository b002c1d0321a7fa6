// SPDX-License-Identifier: Apache-2.0
// Derived files of the layers and images in a cache: found, checked, and
// rebuilt from the blobs when anything about them is wrong. No network: a blob
// that is missing is kNotFound. A layer that has another diff ID than the
// caller's config promises is kCorrupt, whoever indexed it.
//
// While a layer's files are made, its lock is held (Cache::LockLayer).
#ifndef IMGMOUNT_META_STORE_LAYER_STORE_H_
#define IMGMOUNT_META_STORE_LAYER_STORE_H_

#include <memory>
#include <span>
#include <string>

#include "meta/image/image.h"
#include "meta/layer/opened_layer.h"
#include "meta/layer/span_cuts.h"
#include "meta/store/cache.h"
#include "meta/tar/layer_index.h"
#include "meta/union/union_tree.h"

namespace imgmount {

// Whether index and span table of a layer are there (not whether intact).
bool HasDerivedFiles(const Cache& cache, const Digest& layer);

// A layer's index; runs the first pass over the cached blob if it is missing
// or damaged. `diff_id` is verified then.
Result<LayerIndex> LoadIndex(const Cache& cache, const Descriptor& layer,
                             const DiffId& diff_id);

// A layer's blob and span table, rebuilt likewise.
Result<OpenedLayer> OpenLayer(const Cache& cache, const Descriptor& layer,
                              const DiffId& diff_id);

// Lets the layer's spans begin where these runs of its tar do, for whoever
// opens it next (span_cuts.h). Does nothing while another is at its files.
Status CutLayer(const Cache& cache, const Digest& layer,
                std::span<const TarRun> runs);

// The file name of the tree of the image's first `layer_count` layers.
std::string TreeKey(const Image& image, size_t layer_count);

// The merged tree of the image's first `layer_count` layers, opened; made and
// filed under the chain ID when missing or damaged. Several processes that
// want one tree make it once.
Result<std::unique_ptr<UnionTree>> OpenTree(const Cache& cache,
                                            const Image& image,
                                            size_t layer_count);

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_LAYER_STORE_H_
