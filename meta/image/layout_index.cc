// SPDX-License-Identifier: Apache-2.0
#include "meta/image/layout_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "meta/image/layer_suffix.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr size_t kMostOnALine = 3;

// skopeo and podman look for OCI's types alone in index.json. Docker's
// documents are read just as well by them, and say themselves what they are.
const char* OciMediaType(const std::string& media_type) {
  if (media_type == kDockerManifest) return kOciManifest;
  if (media_type == kDockerList) return kOciIndex;
  return media_type.c_str();
}

std::string Annotation(const Descriptor& entry, const char* key) {
  const auto it = entry.annotations.find(key);
  return it == entry.annotations.end() ? "" : it->second;
}

// An entry's document, as far as it can be read. One that cannot may be an
// image, and is told when it is asked for.
class EntryDocument {
 public:
  EntryDocument(const Descriptor& entry, const DocumentReader& read) {
    const auto bytes = ReadDocument(read.manifest, entry);
    if (!bytes) return;
    auto parsed = ParseManifestOrIndex(*bytes, entry.media_type);
    if (!parsed) {
      is_image_ = parsed.error().code() != ErrorCode::kUnsupported;
    } else if (const auto* index = std::get_if<Index>(&*parsed)) {
      for (const Descriptor& child : index->manifests) {
        children_.push_back(child.digest);
      }
      is_image_ = std::any_of(index->manifests.begin(), index->manifests.end(),
                              MayBeImage);
    } else {
      const auto& layers = std::get<Manifest>(*parsed).layers;
      is_image_ =
          std::all_of(layers.begin(), layers.end(), [](const Descriptor& it) {
            return CheckLayerMediaType(it).has_value();
          });
    }
  }

  bool is_image() const { return is_image_; }
  const std::vector<Digest>& children() const { return children_; }

 private:
  bool is_image_ = true;
  std::vector<Digest> children_;
};

// Without those that are no images, and the second of two that are the same.
std::vector<Descriptor> ImagesAmong(std::span<const Descriptor> entries,
                                    const DocumentReader& read) {
  std::vector<Descriptor> images;
  std::set<std::tuple<std::string, std::string, Digest>> seen;
  for (const Descriptor& entry : entries) {
    if (MayBeImage(entry) &&
        seen.emplace(RefName(entry), ContainerdName(entry), entry.digest)
            .second) {
      images.push_back(entry);
    }
  }
  if (images.size() < 2) return images;
  std::set<Digest> children;
  std::erase_if(images, [&](const Descriptor& entry) {
    const EntryDocument document(entry, read);
    children.insert(document.children().begin(), document.children().end());
    return !document.is_image();
  });
  std::erase_if(images, [&](const Descriptor& entry) {
    return RefName(entry).empty() && children.contains(entry.digest);
  });
  return images;
}

// The platform of a manifest, as its descriptor or its config tells it.
Result<std::string> PlatformOf(const Descriptor& entry,
                               const DocumentReader& read) {
  if (entry.platform) return entry.platform->Text();
  IMGMOUNT_TRY(const auto platforms, [&]() -> Result<std::vector<Platform>> {
    IMGMOUNT_TRY(const ImageDocument document, DocumentOf({entry}, read));
    return PlatformsOf(document, read);
  }());
  return platforms.size() == 1 ? platforms.front().Text() : "";
}

bool AreOneForEachPlatform(const std::vector<Descriptor>& entries,
                           const DocumentReader& read) {
  std::set<std::string> platforms;
  return std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
    const auto platform = PlatformOf(entry, read);
    return platform && !platform->empty() && platforms.insert(*platform).second;
  });
}

// Whether this is read as the name that it is: "app@1" is a layer of app.
bool CanBeWritten(const std::string& name) {
  const auto suffix = ParseLayerSuffix(name);
  return !name.empty() && suffix && !suffix->layer;
}

// The words that name each image: a name that no other has, else its
// digests.
std::vector<std::string> WordsFor(const std::vector<LayoutImage>& images) {
  std::map<std::string, int> uses;
  for (const LayoutImage& image : images) {
    for (const auto& name : std::set{image.ref_name(), image.full_name()}) {
      ++uses[name];
    }
  }
  std::vector<std::string> words;
  for (const LayoutImage& image : images) {
    const std::string names[] = {image.ref_name(), image.full_name()};
    const auto name = std::find_if(
        std::begin(names), std::end(names),
        [&](const auto& it) { return CanBeWritten(it) && uses[it] == 1; });
    if (name != std::end(names)) {
      words.push_back(Quoted(*name));
      continue;
    }
    for (const Descriptor& entry : image.entries) {
      words.push_back(entry.digest.text());
    }
  }
  return words;
}

std::optional<size_t> NumberOf(std::string_view selector) {
  if (!selector.starts_with('@')) return {};
  size_t number = 0;
  const char* const end = selector.data() + selector.size();
  const auto parsed = std::from_chars(selector.data() + 1, end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return {};
  return number;
}

Failure SeveralImages(const std::vector<LayoutImage>& images) {
  return Fail(ErrorCode::kNotFound,
              "has several images, name one:" + ChoiceOf(WordsFor(images)));
}

// Entries of the same names as one image; those without go to `nameless`.
std::vector<LayoutImage> GroupedByName(std::span<const Descriptor> entries,
                                       std::vector<Descriptor>& nameless) {
  std::vector<LayoutImage> images;
  for (const Descriptor& entry : entries) {
    const std::string ref_name = RefName(entry);
    const std::string full_name = ContainerdName(entry);
    if (ref_name.empty() && full_name.empty()) {
      nameless.push_back(entry);
      continue;
    }
    const auto known =
        std::find_if(images.begin(), images.end(), [&](const auto& image) {
          return image.ref_name() == ref_name && image.full_name() == full_name;
        });
    if (known == images.end()) {
      images.push_back({{entry}});
    } else {
      known->entries.push_back(entry);
    }
  }
  return images;
}

// Artifacts only where there is nothing else: then the error says what it is.
std::vector<LayoutImage> ImagesNamed(std::span<const Descriptor> entries,
                                     std::string_view name) {
  std::vector<Descriptor> named;
  std::vector<Descriptor> artifacts;
  std::set<Digest> seen;
  for (const Descriptor& entry : entries) {
    if ((RefName(entry) == name || ContainerdName(entry) == name) &&
        seen.insert(entry.digest).second) {
      (MayBeImage(entry) ? named : artifacts).push_back(entry);
    }
  }
  std::vector<Descriptor> nameless;
  return GroupedByName(named.empty() ? artifacts : named, nameless);
}

}  // namespace

std::string RefName(const Descriptor& entry) {
  return Annotation(entry, kRefNameAnnotation);
}

std::string ContainerdName(const Descriptor& entry) {
  return Annotation(entry, kContainerdNameAnnotation);
}

Result<std::vector<LayoutImage>> ImagesOfLayout(
    std::span<const Descriptor> entries, const DocumentReader& read) {
  std::vector<Descriptor> nameless;
  std::vector<LayoutImage> images =
      GroupedByName(ImagesAmong(entries, read), nameless);
  if (nameless.size() > 1 && AreOneForEachPlatform(nameless, read)) {
    images.push_back({std::move(nameless)});
  } else {
    for (const Descriptor& entry : nameless) images.push_back({{entry}});
  }
  return images;
}

Result<std::vector<Descriptor>> FindInLayout(
    std::span<const Descriptor> entries, std::string_view selector,
    const DocumentReader& read) {
  if (!selector.empty()) {
    auto named = ImagesNamed(entries, selector);
    if (named.size() == 1) return std::move(named.front().entries);
    if (!named.empty()) return SeveralImages(named);
  }
  if (const auto digest = Digest::Parse(selector)) {
    const auto listed = std::find_if(
        entries.begin(), entries.end(),
        [&](const auto& entry) { return entry.digest == *digest; });
    if (listed != entries.end()) return std::vector{*listed};
  }
  if (const auto number = NumberOf(selector);
      number && *number < entries.size()) {
    return std::vector{entries[*number]};
  }
  IMGMOUNT_TRY(auto images, ImagesOfLayout(entries, read));
  if (images.empty()) return Fail(ErrorCode::kNotFound, "has no images");
  if (!selector.empty()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("has no image {}; there is{}", Quoted(selector),
                            ChoiceOf(WordsFor(images))));
  }
  if (images.size() == 1) return std::move(images.front().entries);
  return SeveralImages(images);
}

Result<ImageDocument> DocumentOf(const std::vector<Descriptor>& entries,
                                 const DocumentReader& read) {
  if (entries.size() == 1) {
    const Descriptor& entry = entries.front();
    IMGMOUNT_TRY(std::string bytes, ReadDocument(read.manifest, entry));
    return ImageDocument{std::move(bytes), entry.media_type, entry.digest};
  }
  std::vector<Descriptor> nameless = entries;
  for (Descriptor& entry : nameless) {
    entry.annotations.erase(kRefNameAnnotation);
    entry.annotations.erase(kContainerdNameAnnotation);
  }
  std::string bytes = LayoutIndexJson(nameless);
  const Digest digest = DigestOf(bytes);
  return ImageDocument{std::move(bytes), kOciIndex, digest};
}

Result<ImageDocument> FindLayoutDocument(std::span<const Descriptor> entries,
                                         std::string_view selector,
                                         const DocumentReader& read) {
  auto found = FindInLayout(entries, selector, read);
  if (found) return DocumentOf(*found, read);
  const auto digest = Digest::Parse(selector);
  if (!digest) return Failure(std::move(found).error());
  IMGMOUNT_TRY(std::string bytes,
               read.manifest({.media_type = {}, .digest = *digest}));
  return ImageDocument{std::move(bytes), "", *digest};
}

nlohmann::ordered_json DescriptorJson(const Descriptor& descriptor) {
  nlohmann::ordered_json json = {
      {"mediaType", OciMediaType(descriptor.media_type)},
      {"digest", descriptor.digest.text()},
      {"size", descriptor.size}};
  if (descriptor.platform) {
    const Platform& platform = *descriptor.platform;
    auto& out = json["platform"];
    out = {{"architecture", platform.architecture}, {"os", platform.os}};
    if (!platform.os_version.empty()) out["os.version"] = platform.os_version;
    if (!platform.os_features.empty()) {
      out["os.features"] = platform.os_features;
    }
    if (!platform.variant.empty()) out["variant"] = platform.variant;
  }
  if (!descriptor.artifact_type.empty()) {
    json["artifactType"] = descriptor.artifact_type;
  }
  for (const auto& [key, value] : descriptor.annotations) {
    json["annotations"][key] = value;
  }
  return json;
}

std::string LayoutIndexJson(std::span<const Descriptor> entries) {
  nlohmann::ordered_json index = {{"schemaVersion", 2},
                                  {"mediaType", kOciIndex},
                                  {"manifests", nlohmann::json::array()}};
  for (const Descriptor& entry : entries) {
    index["manifests"].push_back(DescriptorJson(entry));
  }
  return index.dump();
}

std::string ChoiceOf(const std::vector<std::string>& words) {
  if (words.size() <= kMostOnALine) {
    return fmt::format(" {}", fmt::join(words, ", "));
  }
  return fmt::format("\n  {}", fmt::join(words, "\n  "));
}

}  // namespace imgmount
