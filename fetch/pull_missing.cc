#include "fetch/pull_missing.h"

#include <unistd.h>

#include <algorithm>

#include "fetch/progress/pull_display.h"
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
  using Style = PullDisplay::Style;
  PullDisplay display(io.err,
                      options.quiet        ? Style::kQuiet
                      : io.err_is_terminal ? Style::kTerminal
                                           : Style::kPlain,
                      STDERR_FILENO);
  if (image.reference) display.Start(text, *image.reference);
  IMGMOUNT_CHECK(PullLayers(
      image, resolved, {.platform = image.platform, .cancel = options.cancel},
      display));
  if (image.reference) {
    display.Finish(resolved.published.digest, image.familiar);
  }
  return {};
}

}  // namespace imgmount
