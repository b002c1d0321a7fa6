// SPDX-License-Identifier: Apache-2.0
#include "meta/image/layer_suffix.h"

#include <fmt/format.h>

#include <charconv>

#include "meta/image/manifest.h"

namespace imgmount {

Result<LayerSuffix> ParseLayerSuffix(std::string_view text) {
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || text[at - 1] == ':' ||
      at + 1 == text.size() ||
      text.find_first_not_of("0123456789", at + 1) != std::string_view::npos) {
    return LayerSuffix{std::string(text), std::nullopt};
  }
  const std::string_view digits = text.substr(at + 1);
  size_t layer = 0;
  const auto parsed =
      std::from_chars(digits.data(), digits.data() + digits.size(), layer);
  if (parsed.ec != std::errc() || layer >= kMaxLayers) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: no image has a layer {}", text, digits));
  }
  return LayerSuffix{std::string(text.substr(0, at)), layer};
}

Result<size_t> LayersAsOf(const LayerSuffix& suffix, size_t layer_count) {
  if (!suffix.layer) return layer_count;
  if (*suffix.layer < layer_count) return *suffix.layer + 1;
  if (layer_count == 0) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{}: the image has no layers", suffix.image));
  }
  return Fail(ErrorCode::kNotFound,
              fmt::format("{} has no layer {}; it has 0 to {}", suffix.image,
                          *suffix.layer, layer_count - 1));
}

}  // namespace imgmount
