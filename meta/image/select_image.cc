// SPDX-License-Identifier: Apache-2.0
#include "meta/image/select_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace imgmount {
namespace {

// Each costs a request or two, and nothing real has many without a platform.
constexpr int kMaxRead = 100;

// BuildKit marks its attestations with it.
constexpr char kReferenceType[] = "vnd.docker.reference.type";

bool IsNew(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) == list.end();
}

Failure NoImageFor(const Platform& wanted,
                   const std::vector<std::string>& there) {
  return Fail(ErrorCode::kNotFound,
              fmt::format("no image for platform {}; there is {}",
                          wanted.Text(), fmt::join(there, ", ")));
}

// Platforms by their texts, each once.
void AddPlatform(const Platform& platform, std::vector<std::string>& texts) {
  std::string text = platform.Text();
  if (IsNew(texts, text)) texts.push_back(std::move(text));
}

std::vector<std::string> PlatformTexts(const Index& index) {
  std::vector<std::string> texts;
  for (const Descriptor& entry : index.manifests) {
    if (entry.platform && MayBeImage(entry)) {
      AddPlatform(*entry.platform, texts);
    }
  }
  return texts;
}

class Selection {
 public:
  explicit Selection(const DocumentReader& read) : read_(read) {}

  Result<Image> Select(const ImageDocument& document, const Platform& wanted,
                       int depth) {
    IMGMOUNT_TRY(const auto parsed,
                 ParseManifestOrIndex(document.bytes, document.media_type));
    if (const auto* index = std::get_if<Index>(&parsed)) {
      IMGMOUNT_CHECK(CheckDepth(document, depth));
      return FromIndex(*index, wanted, depth);
    }
    const Descriptor& config = std::get<Manifest>(parsed).config;
    IMGMOUNT_TRY(std::string config_json, ReadDocument(read_.config, config));
    return Image::Make(document.bytes, document.media_type,
                       std::move(config_json), {}, document.digest.algorithm());
  }

  Status AddPlatforms(const ImageDocument& document, int depth,
                      std::vector<Platform>& platforms) {
    const auto add = [&](const Platform& platform) {
      const auto has_text = [&](const Platform& known) {
        return known.Text() == platform.Text();
      };
      if (std::none_of(platforms.begin(), platforms.end(), has_text)) {
        platforms.push_back(platform);
      }
    };
    IMGMOUNT_TRY(const auto parsed,
                 ParseManifestOrIndex(document.bytes, document.media_type));
    const auto* index = std::get_if<Index>(&parsed);
    if (index == nullptr) {
      IMGMOUNT_TRY(const Image image, Select(document, {}, depth));
      add(image.config.platform);
      return {};
    }
    IMGMOUNT_CHECK(CheckDepth(document, depth));
    for (const Descriptor& entry : index->manifests) {
      if (!MayBeImage(entry)) continue;
      if (entry.platform) {
        add(*entry.platform);
        continue;
      }
      auto below = ReadEntry(entry);
      auto added = below ? AddPlatforms(*below, depth + 1, platforms)
                         : Status(Failure(std::move(below).error()));
      if (!added && !GivesWay(added.error())) return added;
    }
    return {};
  }

 private:
  // No image, or one that a partial copy of the index lacks.
  static bool GivesWay(const Error& error) {
    return error.code() == ErrorCode::kUnsupported ||
           error.code() == ErrorCode::kNotFound;
  }

  static Status CheckDepth(const ImageDocument& document, int depth) {
    if (depth < kMaxIndexDepth) return {};
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{}: indexes within indexes, more than {}",
                            document.digest.text(), kMaxIndexDepth));
  }

  Result<ImageDocument> ReadEntry(const Descriptor& entry) {
    if (++read_count_ > kMaxRead) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("an index of more than {} entries that tell no "
                              "platform",
                              kMaxRead));
    }
    IMGMOUNT_TRY(std::string bytes, ReadDocument(read_.manifest, entry));
    return ImageDocument{std::move(bytes), entry.media_type, entry.digest};
  }

  Result<Image> FromIndex(const Index& index, const Platform& wanted,
                          int depth) {
    IMGMOUNT_TRY(const auto candidates, CandidatesFor(index, wanted));
    std::optional<Image> best;
    int best_match = 0;
    std::optional<Error> why_not;
    std::vector<std::string> there = PlatformTexts(index);
    for (const Descriptor& candidate : candidates) {
      auto document = ReadEntry(candidate);
      auto image = document ? Select(*document, wanted, depth + 1)
                            : Result<Image>(Failure(document.error()));
      if (!image) {
        const bool gives_way =
            candidate.platform ? image.error().code() == ErrorCode::kUnsupported
                               : GivesWay(image.error());
        if (!gives_way) return image;
        if (!why_not) why_not = std::move(image).error();
        continue;
      }
      if (candidate.platform) return image;
      const Platform& platform = image->config.platform;
      // A config that tells nothing fits if nothing else does.
      const bool is_silent = platform.architecture.empty();
      const int match = is_silent ? 1 : 1 + wanted.Match(platform);
      if (!is_silent && match == 1) {
        AddPlatform(platform, there);
      } else if (match > best_match) {
        best_match = match;
        best = *std::move(image);
      }
    }
    if (best) return *std::move(best);
    if (why_not &&
        (there.empty() || why_not->code() == ErrorCode::kUnsupported)) {
      return Failure(*std::move(why_not));
    }
    return NoImageFor(wanted, there);
  }

  const DocumentReader& read_;
  int read_count_ = 0;
};

}  // namespace

DocumentReader DocumentReader::ByDigest(
    std::function<Result<std::string>(const Digest&, size_t limit)> read) {
  return {.manifest =
              [read](const Descriptor& descriptor) {
                return read(descriptor.digest, kMaxManifestBytes);
              },
          .config =
              [read](const Descriptor& descriptor) {
                return read(descriptor.digest, kMaxConfigBytes);
              }};
}

Result<std::string> ReadDocument(const DocumentReader::Read& read,
                                 const Descriptor& descriptor) {
  IMGMOUNT_TRY(std::string bytes, read(descriptor));
  if (bytes.size() == descriptor.size) return bytes;
  return Fail(
      ErrorCode::kCorrupt,
      fmt::format("{}: has {} bytes, its descriptor says {}",
                  descriptor.digest.text(), bytes.size(), descriptor.size));
}

bool MayBeImage(const Descriptor& entry) {
  const bool is_attestation =
      entry.annotations.contains(kReferenceType) ||
      (entry.platform && entry.platform->os == "unknown");
  return MayBeManifestOrIndex(entry.media_type) && !is_attestation &&
         IsImageConfigType(entry.artifact_type);
}

Result<std::vector<Descriptor>> CandidatesFor(const Index& index,
                                              const Platform& wanted) {
  struct Ranked {
    bool lacks_features;
    int match;
    const Descriptor* entry;
    bool operator<(const Ranked& other) const {
      if (lacks_features != other.lacks_features) return !lacks_features;
      return match > other.match;
    }
  };
  std::vector<Ranked> ranked;
  std::vector<const Descriptor*> unmarked;
  bool any = false;
  for (const Descriptor& entry : index.manifests) {
    if (!MayBeImage(entry)) continue;
    any = true;
    if (!entry.platform) {
      unmarked.push_back(&entry);
    } else if (const int match = wanted.Match(*entry.platform); match > 0) {
      ranked.push_back({entry.platform->NeedsFeatures(), match, &entry});
    }
  }
  if (!any) {
    return Fail(ErrorCode::kUnsupported,
                "the index lists no image, only artifacts");
  }
  if (ranked.empty() && unmarked.empty()) {
    return NoImageFor(wanted, PlatformTexts(index));
  }
  std::stable_sort(ranked.begin(), ranked.end());
  std::vector<Descriptor> candidates;
  for (const Ranked& r : ranked) candidates.push_back(*r.entry);
  for (const Descriptor* entry : unmarked) candidates.push_back(*entry);
  return candidates;
}

Result<Image> SelectImage(const ImageDocument& top, const Platform& wanted,
                          const DocumentReader& read) {
  IMGMOUNT_TRY(Image image, Selection(read).Select(top, wanted, 0));
  if (image.manifest_digest != top.digest) image.index_digest = top.digest;
  return image;
}

Result<std::vector<Platform>> PlatformsOf(const ImageDocument& top,
                                          const DocumentReader& read) {
  std::vector<Platform> platforms;
  IMGMOUNT_CHECK(Selection(read).AddPlatforms(top, 0, platforms));
  return platforms;
}

}  // namespace imgmount
