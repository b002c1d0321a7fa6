// SPDX-License-Identifier: Apache-2.0
#include "meta/report/cache_listing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string_view>

#include "meta/base/regular_file.h"
#include "meta/base/zoned_time.h"
#include "meta/report/columns.h"
#include "meta/report/row_format.h"
#include "meta/text/quantities.h"

namespace imgmount {
namespace {

using Json = nlohmann::ordered_json;

// From the widest to the narrowest.
constexpr std::array kImageTables = {
    "table {{.Image}}\t{{.ID}}\t{{.Layers}}\t{{.Size}}\t{{.SharedSize}}\t"
    "{{.LastUsed}}\t{{.Mounted}}",
    "table {{.Image}}\t{{.ID}}\t{{.Size}}\t{{.SharedSize}}\t{{.LastUsed}}\t"
    "{{.Mounted}}",
    "table {{.Image}}\t{{.ID}}\t{{.Size}}\t{{.LastUsed}}\t{{.Mounted}}",
    "table {{.Image}}\t{{.Size}}\t{{.LastUsed}}\t{{.Mounted}}",
    "table {{.Image}}\t{{.Size}}\t{{.Mounted}}",
};
constexpr char kLayerTable[] =
    "table {{.Image}}\t{{.Layer}}\t{{.Compressed}}\t{{.Derived}}\t{{.Images}}";

std::string SizeText(uint64_t bytes, const ListFormat& format) {
  return format.human ? ShortSize(bytes) : std::to_string(bytes);
}

std::string DigestText(const Digest& digest, const ListFormat& format) {
  return format.truncate ? std::string(digest.short_hex()) : digest.text();
}

std::string Join(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string LastUsed(const CachedImage& image, const ListFormat& format) {
  if (!format.human) return ZonedTime::Local(image.last_used).Text();
  return RoughDuration(format.now - image.last_used) + " ago";
}

// The ID of what this machine would run, else of what there is.
const Digest& IdOf(const CachedImage& cached) {
  const Platform machine = Platform::OfThisMachine();
  const auto best = std::max_element(cached.images.begin(), cached.images.end(),
                                     [&](const Image& a, const Image& b) {
                                       return machine.Match(a.config.platform) <
                                              machine.Match(b.config.platform);
                                     });
  return best == cached.images.end() ? cached.published.digest
                                     : best->manifest.config.digest;
}

// "5", or "5 (2 shared)".
std::string LayersText(const CachedImage& image, const Inventory& inventory) {
  std::set<Digest> layers;
  uint64_t all = 0;   // their bytes
  uint64_t here = 0;  // of them
  for (const Image& platform : image.images) {
    for (const Descriptor& layer : platform.manifest.layers) {
      const uint64_t bytes = inventory.BytesOf(
          {BlobItem(layer.digest), PartialItem(layer.digest)});
      if (bytes == 0 && !inventory.items.contains(PartialItem(layer.digest))) {
        continue;
      }
      if (!layers.insert(layer.digest).second) continue;
      all += layer.size;
      here += std::min(bytes, layer.size);
    }
  }
  size_t shared = 0;
  for (const Digest& layer : layers) {
    if (inventory.ImageCount(BlobItem(layer)) > 1) ++shared;
  }
  std::vector<std::string> notes;
  if (shared > 0) notes.push_back(fmt::format("{} shared", shared));
  if (here < all) notes.push_back(fmt::format("{} % here", here * 100 / all));
  if (notes.empty()) return std::to_string(layers.size());
  return fmt::format("{} ({})", layers.size(), fmt::join(notes, ", "));
}

Json ImageFields(const CachedImage& image, size_t name,
                 const Inventory& inventory, const ListFormat& format) {
  std::set<CacheItem> shared;
  std::vector<std::string> platforms;
  for (const CacheItem& item : image.items) {
    if (inventory.ImageCount(item) > 1) shared.insert(item);
  }
  for (const Image& platform : image.images) {
    platforms.push_back(platform.config.platform.Text());
  }
  const uint64_t size = inventory.BytesOf(image.items);
  const uint64_t shared_size = inventory.BytesOf(shared);
  return {{"Image", image.ShownName(name)},
          {"ID", DigestText(IdOf(image), format)},
          {"Digest", image.published.digest.text()},
          {"Platforms", Join(platforms)},
          {"Layers", LayersText(image, inventory)},
          {"Size", SizeText(size, format)},
          {"SharedSize", SizeText(shared_size, format)},
          {"UniqueSize", SizeText(size - shared_size, format)},
          {"LastUsed", LastUsed(image, format)},
          {"LastUsedAt", ZonedTime::Local(image.last_used).Text()},
          {"Mounted", Join(image.mount_points)}};
}

Json LayerFields(const CachedImage& image, size_t name, const Digest& layer,
                 const Inventory& inventory, const ListFormat& format) {
  return {
      {"Image", image.ShownName(name)},
      {"Layer", DigestText(layer, format)},
      {"Compressed", SizeText(inventory.BytesOf({BlobItem(layer)}), format)},
      {"Derived", SizeText(inventory.BytesOf({LayerItem(layer)}), format)},
      {"Images", std::to_string(inventory.ImageCount(BlobItem(layer)))}};
}

Json Headers(bool layers) {
  if (layers) {
    return {{"Image", "IMAGE"},
            {"Layer", "LAYER"},
            {"Compressed", "COMPRESSED"},
            {"Derived", "DERIVED"},
            {"Images", "IN IMAGES"}};
  }
  return {{"Image", "IMAGE"},
          {"ID", "IMAGE ID"},
          {"Digest", "DIGEST"},
          {"Platforms", "PLATFORMS"},
          {"Layers", "LAYERS"},
          {"Size", "SIZE"},
          {"SharedSize", "SHARED SIZE"},
          {"UniqueSize", "UNIQUE SIZE"},
          {"LastUsed", "LAST USED"},
          {"LastUsedAt", "LAST USED AT"},
          {"Mounted", "MOUNTED ON"}};
}

// In as many columns as fit.
Result<std::string> ImageTable(const std::vector<FormatRow>& rows,
                               int columns) {
  for (const char* format : kImageTables) {
    IMGMOUNT_TRY(std::string table,
                 FormatRows(format, Headers(/*layers=*/false), rows));
    size_t width = 0;
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) {
      width = std::max(width, DisplayWidth(line));
    }
    if (columns == 0 || width <= static_cast<size_t>(columns) ||
        format == kImageTables.back()) {
      return table;
    }
  }
  return std::string();  // there is a last one
}

// A manifest, index or config, whether or not an image has it: it begins as a
// JSON object does.
bool IsDocument(const std::filesystem::path& blob) {
  const auto fd = OpenRegularFile(blob);
  std::byte first{};
  return fd && ReadAt(fd->get(), std::span(&first, 1), 0) &&
         first == std::byte{'{'};
}

}  // namespace

Result<std::string> ListImages(const Inventory& inventory,
                               const ListFormat& format) {
  std::vector<Json> fields;
  for (const CachedImage& image : inventory.images) {
    for (size_t i = 0; i < image.names.size(); ++i) {
      if (!format.layers) {
        fields.push_back(ImageFields(image, i, inventory, format));
        continue;
      }
      std::set<Digest> listed;  // platforms may share some
      for (const Image& platform : image.images) {
        for (const Descriptor& layer : platform.manifest.layers) {
          if (!inventory.items.contains(BlobItem(layer.digest)) ||
              !listed.insert(layer.digest).second) {
            continue;
          }
          fields.push_back(
              LayerFields(image, i, layer.digest, inventory, format));
        }
      }
    }
  }
  std::vector<FormatRow> rows;
  for (const Json& row : fields) rows.push_back({&row, &row});
  std::string text = format.format;
  if (format.quiet) {
    text = format.layers ? "{{.Layer}}" : "{{.Image}}";
  } else if (text.empty() || text == "table") {
    if (!format.layers) return ImageTable(rows, format.columns);
    text = kLayerTable;
  }
  return FormatRows(text, Headers(format.layers), rows);
}

std::string DiskUsage(const Cache& cache, const Inventory& inventory,
                      bool human) {
  struct Kind {
    std::string_view name;
    std::string_view prefix;
    size_t count = 0;
    uint64_t bytes = 0;
    uint64_t reclaimable = 0;
  };
  std::vector<Kind> kinds = {{"Layers", "blobs/"},
                             {"Manifests and configs", "blobs/"},
                             {"Layer indexes", "imgmount/layers/"},
                             {"Merged trees", "imgmount/trees/"},
                             {"Program starts", "imgmount/starts/"},
                             {"Partial downloads", "imgmount/partial/"},
                             {"Total", ""}};
  const std::set<CacheItem> unneeded = inventory.Unneeded();
  for (const auto& [item, bytes] : inventory.items) {
    const bool is_document =
        item.starts_with("blobs/") && IsDocument(cache.folder() / item);
    for (Kind& kind : kinds) {
      if (!item.starts_with(kind.prefix)) continue;
      if (kind.prefix == "blobs/" && is_document != (kind.name != "Layers")) {
        continue;
      }
      ++kind.count;
      kind.bytes += bytes;
      if (unneeded.contains(item)) kind.reclaimable += bytes;
    }
  }
  const auto size = [human](uint64_t bytes) {
    return human ? ShortSize(bytes) : std::to_string(bytes);
  };
  std::string table = "TYPE\tCOUNT\tSIZE\tRECLAIMABLE\n";
  for (const Kind& kind : kinds) {
    table += fmt::format("{}\t{}\t{}\t{}\n", kind.name, kind.count,
                         size(kind.bytes), size(kind.reclaimable));
  }
  return AlignColumns(table);
}

}  // namespace imgmount
