// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/pull_missing.h"

#include <unistd.h>

#include <algorithm>

#include "fetch/progress/pull_progress.h"
#include "meta/cli/terminal.h"
#include "meta/store/layer_store.h"

namespace imgmount {
namespace {

// All layers are here, and the cache knows the image by this name.
bool IsComplete(const NamedImage& named, const ResolvedImage& resolved) {
  if (named.reference) {
    const auto known = named.cache.FindName(named.name);
    if (!known || known->digest != resolved.published.digest) return false;
  }
  const auto& layers = resolved.image.manifest.layers;
  return std::all_of(layers.begin(), layers.end(), [&](const Descriptor& it) {
    return named.cache.HasBlob(it.digest) &&
           HasDerivedFiles(named.cache, it.digest);
  });
}

}  // namespace

Status PullMissing(NamedImage& image, const ResolvedImage& resolved,
                   const std::string& text, const ImageOptions& options,
                   const ToolIo& io) {
  if (IsComplete(image, resolved)) return {};
  const auto progress =
      MakeProgress(io.err, io.err_is_terminal && !IsDumbTerminal(io),
                   STDERR_FILENO, options.progress, options.quiet);
  if (image.reference) progress->Start(text, *image.reference);
  IMGMOUNT_CHECK(PullLayers(image, resolved, options, *progress));
  if (image.reference) {
    progress->Finish(resolved.published.digest, image.familiar);
  }
  return {};
}

}  // namespace imgmount
